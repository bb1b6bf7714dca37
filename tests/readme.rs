//! What README.md says of the element is what the element has.

use gst::glib;
use gst::prelude::*;
use std::path::Path;

fn file(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The cells of each row of the table with this first heading.
fn table(readme: &str, heading: &str) -> Vec<Vec<String>> {
    let start = format!("| {heading} |");
    let rows = readme.lines().skip_while(|line| !line.starts_with(&start)).skip(2);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "README.md has no table {heading:?}");
    rows
}

/// Type and default as README.md writes them.
fn describe(pspec: &glib::ParamSpec) -> (String, String) {
    if let Some(pspec) = pspec.downcast_ref::<glib::ParamSpecUInt>() {
        let kind = format!("integer {} to {}", pspec.minimum(), pspec.maximum());
        (kind, pspec.default_value().to_string())
    } else if let Some(pspec) = pspec.downcast_ref::<glib::ParamSpecInt>() {
        let kind = format!("integer {} to {}", pspec.minimum(), pspec.maximum());
        (kind, pspec.default_value().to_string())
    } else if let Some(pspec) = pspec.downcast_ref::<glib::ParamSpecBoolean>() {
        ("boolean".into(), pspec.default_value().to_string())
    } else if let Some(pspec) = pspec.downcast_ref::<glib::ParamSpecEnum>() {
        let class = pspec.enum_class();
        let nicks: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        let default = class.value(pspec.default_value_as_i32()).unwrap().nick().to_owned();
        (nicks.join(", "), default)
    } else if let Some(pspec) = pspec.downcast_ref::<glib::ParamSpecString>() {
        ("string".into(), pspec.default_value().map_or("unset".into(), |value| value.to_string()))
    } else if pspec.value_type() == gst::Structure::static_type() {
        ("structure".into(), String::new())
    } else {
        panic!("README.md has no word for the type of {}", pspec.name())
    }
}

#[test]
fn the_property_tables_are_the_elements() {
    gst::init().unwrap();
    gstwyze::plugin_register_static().unwrap();
    for (factory, heading) in [("wyzesrc", "Property"), ("wyzesink", "Sink property")] {
        let element = gst::ElementFactory::make(factory).build().unwrap();
        let rows = table(&file("README.md"), heading);
        let properties = element.list_properties();
        let properties: Vec<_> = properties.iter().filter(|pspec| pspec.owner_type() == element.type_()).collect();
        for pspec in &properties {
            let (mut kind, default) = describe(pspec);
            if !pspec.flags().contains(glib::ParamFlags::WRITABLE) {
                kind += ", read only";
            }
            let name = format!("`{}`", pspec.name());
            let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("README.md lacks {name}"));
            assert_eq!((&row[1], &row[2]), (&kind, &default), "{factory} {name}");
            let live = pspec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING);
            assert_eq!(row[3].ends_with("*live*"), live, "{factory} {name}");
        }
        assert_eq!(rows.len(), properties.len(), "README.md has properties that {factory} lacks");
    }
}

#[test]
fn the_pads_and_their_caps_are_the_element_s() {
    gst::init().unwrap();
    gstwyze::plugin_register_static().unwrap();
    let rows = table(&file("README.md"), "Pad");
    let factory = gst::ElementFactory::find("wyzesrc").unwrap();
    let templates = factory.static_pad_templates();
    assert_eq!(rows.len(), templates.len());
    for template in templates {
        let name = format!("`{}`", template.name_template());
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("README.md lacks {name}"));
        for structure in template.caps().iter() {
            assert!(row[1].contains(&format!("`{}`", structure.name())), "{name} {structure}");
        }
    }
}

/// All of the folder's source, one file after the other.
fn sources(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { sources(&path) } else { file(path) }).collect()
}

/// Whoever changes an error's text has to look here too, as people search README.md for it.
#[test]
fn the_errors_of_the_troubleshooting_table_exist() {
    let source = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    // A string that goes on in the next line is one string.
    let source = source.split("\\\n").map(str::trim_start).collect::<String>();
    for row in table(&file("README.md"), "Error begins with") {
        for text in row[0].split('`').skip(1).step_by(2) {
            for part in text
                .trim_start_matches("auth: ")
                .trim_start_matches("camera: ")
                .trim_start_matches("enr is ")
                .split('…')
            {
                let part = part.replace('"', "\\\"");
                assert!(source.contains(part.trim()), "no error says {part:?}");
            }
        }
    }
}

#[test]
fn what_the_readme_names_is_there() {
    let readme = file("README.md");
    let quoted = readme.split(['`', '(', ')', ' ', '\n']);
    let paths = quoted.filter(|word| ["pipelines/", "tests/", "docs/", "src/"].iter().any(|f| word.starts_with(f)));
    for path in paths {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{path}");
    }
}
