//! A JSON answer that knows where in itself it is, so that an error can name the field.

use super::CloudError;
use serde_json::Value;

/// One value of an answer.
#[derive(Clone)]
pub struct Answer<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Answer<'a> {
    pub fn new(value: &'a Value) -> Self {
        Answer { value, path: String::new() }
    }

    /// Returns a member; null where it is missing.
    pub fn get(&self, name: &str) -> Answer<'a> {
        const NULL: &Value = &Value::Null;
        let dot = if self.path.is_empty() { "" } else { "." };
        Answer { value: self.value.get(name).unwrap_or(NULL), path: format!("{}{dot}{name}", self.path) }
    }

    pub fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// Fails where this is there and no object.
    pub fn object(self) -> Result<Self, CloudError> {
        if self.value.is_object() || self.is_null() { Ok(self) } else { Err(self.error("is not an object")) }
    }

    /// Returns a text that is only to be shown: a number is one too, and everything else is empty.
    pub fn word(&self) -> String {
        match self.value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        }
    }

    /// Returns the text; empty where the value is null or missing.
    pub fn text(&self) -> Result<&'a str, CloudError> {
        match self.value {
            Value::Null => Ok(""),
            Value::String(text) => Ok(text),
            _ => Err(self.error("is not a text")),
        }
    }

    /// Returns the text, and fails where it is missing or empty.
    pub fn required_text(&self) -> Result<&'a str, CloudError> {
        match self.text()? {
            "" => Err(self.error("is missing")),
            text => Ok(text),
        }
    }

    /// Returns the word, and fails where it is missing or empty.
    pub fn required_word(&self) -> Result<String, CloudError> {
        Some(self.word()).filter(|word| !word.is_empty()).ok_or_else(|| self.error("is missing"))
    }

    /// Returns the number, which the cloud writes as a number or as text; `None` where it is neither.
    pub fn number(&self) -> Option<i64> {
        self.value.as_i64().or_else(|| self.value.as_str()?.parse().ok())
    }

    /// Returns the elements of the list, and fails where it is missing.
    pub fn list(&self) -> Result<Vec<Answer<'a>>, CloudError> {
        let values = match self.value {
            Value::Array(values) => values,
            Value::Null => return Err(self.error("is missing")),
            _ => return Err(self.error("is not a list")),
        };
        let element = |(i, value)| Answer { value, path: format!("{}[{i}]", self.path) };
        Ok(values.iter().enumerate().map(element).collect())
    }

    /// Makes an error that names this field.
    pub fn error(&self, problem: &'static str) -> CloudError {
        let field = if self.path.is_empty() { "the answer".into() } else { self.path.clone() };
        CloudError::Schema { field, problem }
    }
}
