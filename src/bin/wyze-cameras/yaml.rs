//! Reads YAML as far as configurations with streams need it: texts as they are written, lists and mappings.
//!
//! A configuration comes from elsewhere, so aliases are refused, with which a few hundred bytes can stand for
//! gigabytes, and so is nesting that no configuration has.

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::{Marker, ScanError};

/// How deep lists and mappings may stand in each other.
const MAX_DEPTH: usize = 32;

#[derive(Debug, PartialEq, Eq)]
pub enum Node {
    /// A scalar of any type, such as 007 or true.
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(Node, Node)>),
}

#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    #[error("it is no YAML, at line {line} column {column}: {problem}")]
    Syntax { line: usize, column: usize, problem: String },
    #[error("line {line} has a YAML alias (*name): write out what it stands for")]
    Alias { line: usize },
    #[error("line {line} is nested deeper than any configuration")]
    Depth { line: usize },
}

impl From<ScanError> for YamlError {
    fn from(e: ScanError) -> Self {
        let at = e.marker();
        YamlError::Syntax { line: at.line(), column: at.col() + 1, problem: e.info().to_owned() }
    }
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a key; `None` where this is no mapping or has no such key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Node::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }
}

/// Returns the first document; `None` where there is none.
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    let mut parser = Parser::new_from_str(text);
    // Lists and mappings that are still open. The nodes of a mapping are keys and values in turn.
    let mut open: Vec<(bool, Vec<Node>)> = Vec::new();
    loop {
        let (event, at): (Event, Marker) = parser.next_token()?;
        let node = match event {
            Event::Alias(_) => return Err(YamlError::Alias { line: at.line() }),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == MAX_DEPTH => {
                return Err(YamlError::Depth { line: at.line() });
            }
            Event::SequenceStart(..) => {
                open.push((false, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push((true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((true, nodes)) => Node::Map(pairs(nodes)),
                Some((false, nodes)) => Node::List(nodes),
                None => continue,
            },
            Event::Scalar(text, ..) => Node::Text(text),
            Event::StreamEnd => return Ok(None),
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => continue,
        };
        match open.last_mut() {
            Some((_, nodes)) => nodes.push(node),
            None => return Ok(Some(node)),
        }
    }
}

fn pairs(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut nodes = nodes.into_iter();
    std::iter::from_fn(|| Some((nodes.next()?, nodes.next()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.into())
    }

    #[test]
    fn texts_are_as_they_are_written() {
        let node = parse("007: [1_000, ~, yes, 1e3]\nb: >-\n  x\n  y\n'c': \"\\u0026\"").unwrap().unwrap();
        let list = ["1_000", "~", "yes", "1e3"].map(text).into();
        let pairs = [(text("007"), Node::List(list)), (text("b"), text("x y")), (text("c"), text("&"))];
        assert_eq!(node, Node::Map(pairs.into()));
        assert_eq!(node.get("b").and_then(Node::text), Some("x y"));
        assert!(parse("").unwrap().is_none());
    }

    #[test]
    fn what_costs_more_than_it_says_is_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..20 {
            let one = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", [one.as_str(); 9].join(","));
        }
        assert!(matches!(parse(&bomb), Err(YamlError::Alias { line: 2 })));
        for (open, key) in [("[", ""), ("{", "a: "), ("- ", ""), ("? ", "")] {
            let deep = format!("{open}{key}").repeat(100_000);
            assert!(matches!(parse(&deep), Err(YamlError::Depth { line: 1 } | YamlError::Syntax { .. })), "{open}");
        }
    }
}
