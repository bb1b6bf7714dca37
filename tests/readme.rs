//! README.md, CONTRIBUTING.md, docs/ and the elements' pages in the source say what is true: of properties, signals,
//! pads, counters, errors, commands, files and links.

#[path = "support/element.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use gst::glib;
use gst::glib::subclass::SignalId;
use gst::glib::translate::IntoGlib;
use gst::prelude::*;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::*;
use talk::*;

const PROPERTIES: &str = "docs/properties.md";
const CAMERAS: &str = "docs/cameras.md";
const TROUBLESHOOTING: &str = "docs/troubleshooting.md";

/// A file's path from the repository's root.
fn at_root(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn file(path: impl AsRef<Path>) -> String {
    let path = at_root(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every page: its path from the repository's root, and its text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs =
        std::fs::read_dir(at_root("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into_iter().chain(docs).collect();
    assert!(paths.len() >= 8, "{paths:?}");
    paths.into_iter().map(|path| (path.clone(), file(path))).collect()
}

#[test]
fn all_files_tell_the_same_version() {
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').unwrap().0;
    for (path, told) in [
        ("meson.build", format!("version: '{version}'")),
        ("packaging/debian/changelog", format!("gst-plugin-wyze ({version})")),
        ("tests/fuzz/Cargo.toml", format!("version = \"{version}\"")),
        ("CHANGELOG.md", format!("\n## [{version}] - ")),
        ("src/lib.rs", format!("gst-plugin-wyze = {{ version = \"{minor}\"")),
    ] {
        assert!(file(path).contains(&told), "{path} lacks {told:?}");
    }
    assert!(file("packaging/debian/changelog").starts_with(&format!("gst-plugin-wyze ({version})")));
}

/// The cells of each row of the table with this first heading.
fn table(page: &str, heading: &str) -> Vec<Vec<String>> {
    let text = file(page);
    let start = format!("| {heading} |");
    let rows = text.lines().skip_while(|line| !line.starts_with(&start)).skip(2);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let line = line.replace("\\|", "\u{0}");
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "{page} has no table {heading:?}");
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Type and default as docs/properties.md writes them.
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
        panic!("{PROPERTIES} has no word for the type of {}", pspec.name())
    }
}

/// The element's own properties.
fn own_properties(factory: &str) -> Vec<glib::ParamSpec> {
    let element = gst::ElementFactory::make(factory).build().unwrap();
    let mut properties = element.list_properties().to_vec();
    properties.retain(|pspec| pspec.owner_type() == element.type_());
    properties
}

#[test]
fn the_property_tables_are_the_elements() {
    init();
    for (factory, heading) in [("wyzesrc", "Property"), ("wyzesink", "Sink property")] {
        let rows = table(PROPERTIES, heading);
        let properties = own_properties(factory);
        for pspec in &properties {
            let (mut kind, default) = describe(pspec);
            if !pspec.flags().contains(glib::ParamFlags::WRITABLE) {
                kind += ", read only";
            }
            let name = format!("`{}`", pspec.name());
            let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{PROPERTIES} lacks {name}"));
            assert_eq!((&row[1], &row[2]), (&kind, &default), "{factory} {name}");
            let live = pspec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING);
            assert_eq!(row[3].ends_with("*live*"), live, "{factory} {name}");
        }
        assert_eq!(rows.len(), properties.len(), "{PROPERTIES} has properties that {factory} lacks");
    }
}

#[test]
fn the_pads_and_their_caps_are_the_element_s() {
    init();
    let rows = table(PROPERTIES, "Pad");
    let factory = gst::ElementFactory::find("wyzesrc").unwrap();
    let templates = factory.static_pad_templates();
    assert_eq!(rows.len(), templates.len());
    for template in templates {
        let name = format!("`{}`", template.name_template());
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{PROPERTIES} lacks {name}"));
        for structure in template.caps().iter() {
            assert!(row[1].contains(&format!("`{}`", structure.name())), "{name} {structure}");
        }
    }
}

/// The fields in the table are those of the structure, which may lack `optional` ones.
fn assert_fields(heading: &str, structure: &gst::Structure, optional: &[&str]) {
    let told: BTreeSet<String> = table(PROPERTIES, heading)
        .iter()
        .flat_map(|row| quoted(&row[0]).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let there: BTreeSet<String> = structure.fields().map(|field| field.to_string()).collect();
    for field in &there {
        assert!(told.contains(field), "{PROPERTIES} lacks {field} of {}", structure.name());
    }
    for field in told.iter().filter(|field| !optional.contains(&field.as_str())) {
        assert!(there.contains(field), "{} has no {field}: {structure}", structure.name());
    }
    assert!(file(PROPERTIES).contains(&format!("`{}`", structure.name())), "{PROPERTIES} lacks {}", structure.name());
}

#[test]
fn the_tables_of_counters_are_the_elements() {
    let camera = TestCamera::new(synthetic());
    let player = Player::new(&camera, Link::Both);
    player.play();
    player.buffer("video");
    player.buffer("audio");
    let of = |name: &str| player.src.property::<gst::Structure>(name);
    assert_fields("Field of `wyzesrc`", &of("stats"), &["last-error"]);
    assert_fields("Field of `camera-info`", &of("camera-info"), &[]);
    player.stop();

    let camera = eager();
    let speaker = Speaker::new(&camera, "audiotestsrc num-buffers=5");
    speaker.play_out();
    assert_fields("Field of `wyzesink`", &speaker.sink.property("stats"), &[]);
}

#[test]
fn the_names_of_durations_tell_their_unit() {
    let fields = ["Field of `wyzesrc`", "Field of `wyzesink`"].iter().flat_map(|heading| table(PROPERTIES, heading));
    let durations = fields.filter(|row| row[1] == "ns").map(|row| row[0].clone());
    let fields = ["Field", "Field of `camera-info`"].iter().flat_map(|heading| table(PROPERTIES, heading));
    let others = fields.filter(|row| row[2].contains("nanoseconds")).map(|row| row[0].clone());
    let names: Vec<String> = durations.chain(others).collect();
    assert!(names.len() >= 8 && names.iter().all(|name| name.ends_with("-ns`")), "{names:?}");
}

/// All of the folder's source, one file after the other.
fn sources(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| if path.is_dir() { sources(&path) } else { file(path) }).collect()
}

/// Whoever changes an error's text has to look here too, as people search these pages for it.
#[test]
fn the_errors_of_the_troubleshooting_table_exist() {
    let source = sources(&at_root("src"));
    // A string that goes on in the next line is one string.
    let source = source.split("\\\n").map(str::trim_start).collect::<String>();
    for row in table(TROUBLESHOOTING, "Error begins with") {
        for text in quoted(&row[0]) {
            for part in text
                .trim_start_matches("auth: ")
                .trim_start_matches("camera: ")
                .trim_start_matches("enr is ")
                .trim_start_matches("path: ")
                .split('…')
            {
                let part = part.replace('"', "\\\"");
                assert!(source.contains(part.trim()), "no error says {part:?}");
            }
        }
    }
}

#[test]
fn the_words_in_messages_exist() {
    let source = sources(&at_root("src"));
    for heading in ["Reason", "Field", "Field of `wyzesink`"] {
        for row in table(PROPERTIES, heading) {
            // A field, and the values that it may have.
            let cells = if heading == "Reason" { &row[..1] } else { &row[..] };
            for word in cells.iter().flat_map(|cell| quoted(cell)) {
                assert!(source.contains(&format!("\"{word}\"")), "no source has {word:?}");
            }
        }
    }
}

#[test]
fn the_files_that_the_pages_name_are_there() {
    let sources: Vec<String> = [at_root("src"), at_root("tests")].iter().flat_map(|folder| names(folder)).collect();
    let mut missing = Vec::new();
    for (page, text) in pages() {
        for word in text.split(['`', '(', ')', ' ', '\n', '#', ',', ':', ';']) {
            let is_path =
                ["pipelines/", "examples/", "tests/", "docs/", "src/"].iter().any(|folder| word.starts_with(folder));
            let is_name = word.ends_with(".rs") && !word.contains('/');
            if is_path && !is_there(word) || is_name && !sources.iter().any(|name| name == word) {
                missing.push(format!("{}: {word}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The names of all files in a folder and the folders in it.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => names(&path),
            _ => vec![entry.file_name().to_string_lossy().into_owned()],
        })
        .collect()
}

/// Whether a path is there, or, where it has a `*`, any that fits.
fn is_there(path: &str) -> bool {
    let Some((start, end)) = path.split_once('*') else { return at_root(path).exists() };
    let (folder, start) = start.rsplit_once('/').unwrap();
    names(&at_root(folder)).iter().any(|name| name.starts_with(start) && name.ends_with(end))
}

/// A heading as GitHub makes a link's fragment of it.
fn fragment(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_links_between_the_pages_lead_somewhere() {
    let pages = pages();
    for (page, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let to = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(at_root(&to).exists(), "{}: {link}", page.display());
            if !wanted.is_empty() {
                let target = file(&to);
                let mut headings = target.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|heading| fragment(heading.trim_start_matches(['#', ' '])) == wanted);
                assert!(found, "{}: {link} names no heading", page.display());
            }
        }
    }
    let readme = &pages[0].1;
    for (page, _) in &pages[1..] {
        assert!(readme.contains(&format!("]({})", page.display())), "README.md does not lead to {}", page.display());
    }
}

/// The page that begins a module.
fn module_page(factory: &str) -> String {
    let text = file(format!("src/{factory}/mod.rs"));
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect()
}

/// The items of the lists under a page's heading, each in one line.
fn items(page: &str, heading: &str) -> Vec<String> {
    let start = format!("\n# {heading}\n");
    let (_, text) = page.split_once(&start).unwrap_or_else(|| panic!("no heading {heading:?}"));
    let text = text.split("\n# ").next().unwrap().replace("\n  ", " ");
    text.lines().filter_map(|line| line.strip_prefix("- ")).map(str::to_owned).collect()
}

/// The first word in backticks of each item.
fn item_names(page: &str, heading: &str) -> BTreeSet<String> {
    items(page, heading).iter().map(|item| quoted(item).next().unwrap().to_owned()).collect()
}

/// The words in backticks in the first cells of a table of docs/properties.md.
fn told_names(heading: &str) -> BTreeSet<String> {
    table(PROPERTIES, heading).iter().flat_map(|row| quoted(&row[0]).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_element_pages_tell_the_metadata_and_the_properties_with_their_blurbs() {
    init();
    for element in ["wyzesrc", "wyzesink"] {
        let page = module_page(element);
        let factory = gst::ElementFactory::find(element).unwrap();
        for (row, key) in [("Long name", "long-name"), ("Klass", "klass")] {
            let row = format!("| {row} | {} |", factory.metadata(key).unwrap());
            assert!(page.contains(&row), "the page of {element} lacks {row:?}");
        }
        let wanted: Vec<String> = own_properties(element)
            .iter()
            .map(|pspec| format!("`{}`: {}", pspec.name(), pspec.blurb().unwrap()))
            .collect();
        let wanted: BTreeSet<String> = wanted.into_iter().collect();
        let told: BTreeSet<String> = items(&page, "Properties").into_iter().collect();
        let differ: Vec<_> = wanted.symmetric_difference(&told).collect();
        assert!(differ.is_empty(), "{element}: {differ:#?}");
    }
    let provider = gst::DeviceProviderFactory::find("wyzedeviceprovider").unwrap();
    let page = module_page("device_provider");
    for key in ["long-name", "klass"] {
        assert!(page.contains(&format!(" | {} |", provider.metadata(key).unwrap())), "{key}");
    }
}

/// The element's own signals, as the page writes them: the name, and the types of the arguments.
fn own_signals(factory: &str) -> BTreeSet<(String, Vec<String>)> {
    let class = gst::ElementFactory::make(factory).build().unwrap().type_();
    let mut count = 0;
    // SAFETY: The array has `count` ids, and is freed once.
    let ids = unsafe {
        let ids = glib::gobject_ffi::g_signal_list_ids(class.into_glib(), &raw mut count);
        let copy = (0..count as usize).map(|i| *ids.add(i)).collect::<Vec<u32>>();
        glib::ffi::g_free(ids.cast());
        copy
    };
    ids.into_iter()
        .map(|id| {
            // SAFETY: GObject has just given this id.
            let query = unsafe { SignalId::new(NonZeroU32::new(id).unwrap()) }.query();
            let types = query.param_types().iter().map(|argument| argument.type_().name().to_owned());
            (query.signal_name().to_owned(), types.collect())
        })
        .collect()
}

#[test]
fn the_element_pages_list_the_signals_with_the_types_of_their_arguments() {
    init();
    let told = items(&module_page("wyzesrc"), "Action signals");
    let told: BTreeSet<(String, Vec<String>)> = told
        .iter()
        .map(|item| {
            let arguments = item.split_once(" (").unwrap().1.split_once("):").unwrap().0;
            let types = arguments.split_terminator(", ").map(|argument| argument.split(' ').next().unwrap().to_owned());
            (quoted(item).next().unwrap().to_owned(), types.collect())
        })
        .collect();
    assert_eq!(told, own_signals("wyzesrc"));
    assert!(own_signals("wyzesink").is_empty(), "the page of wyzesink lists none");
    let rows = told_names("Action signal");
    assert_eq!(rows, told.into_iter().map(|(name, _)| name).collect(), "{PROPERTIES}");
}

/// The tables of docs/properties.md are compared with running elements above.
#[test]
fn the_element_pages_list_the_fields_of_messages_and_statistics() {
    let (source, sink) = (module_page("wyzesrc"), module_page("wyzesink"));
    assert_eq!(item_names(&source, "Element messages"), told_names("Field"));
    assert_eq!(item_names(&sink, "Statistics"), told_names("Field of `wyzesink`"));
    let told = items(&source, "Statistics");
    let told: BTreeSet<String> = told.iter().flat_map(|item| quoted(item)).map(str::to_owned).collect();
    assert_eq!(told, told_names("Field of `wyzesrc`"));
    let device = file("src/device_provider/device.rs");
    for field in item_names(&module_page("device_provider"), "Device properties") {
        assert!(device.contains(&format!("\"{field}\"")), "no device has {field}");
    }
}

#[test]
fn the_launch_lines_of_the_element_pages_are_pipelines() {
    init();
    for element in ["wyzesrc", "wyzesink"] {
        let lines = launch_lines(&module_page(element));
        assert!(lines.len() >= 3, "{lines:?}");
        for line in lines {
            let line = line.trim_start_matches("gst-launch-1.0 ").trim_start_matches("-e ");
            let pipeline = gst::parse::launch(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
            let is_there = |child: &gst::Element| child.factory().unwrap().name() == element;
            assert!(pipeline.children().iter().any(is_there), "{line}");
        }
    }
}

/// The word that begins the text, if it has one.
fn first_word(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(text.len());
    Some(&text[..end]).filter(|word| !word.is_empty())
}

#[test]
fn the_commands_that_the_pages_name_exist() {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wyze-cameras")).args(arguments).arg("--help").output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    for (page, text) in pages() {
        for command in text.split("wyze-cameras ").skip(1).filter_map(first_word) {
            assert!(help(&[command]).0, "{}: wyze-cameras {command}", page.display());
        }
    }
    let (_, general) = help(&[]);
    let commands = general.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: BTreeSet<&str> = commands.filter_map(|line| first_word(line.trim_start())).collect();
    let rows = table(CAMERAS, "Command");
    let mut told: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[0])).filter_map(first_word).collect();
    told.insert("help");
    assert_eq!(told, commands, "{CAMERAS}");
}

/// The launch lines of a page, each in one line.
fn launch_lines(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    text.lines().filter(|line| line.contains("gst-launch-1.0 ")).map(str::to_owned).collect()
}

#[test]
fn the_launch_lines_set_properties_that_exist() {
    init();
    let mut seen = 0;
    for (page, text) in pages() {
        for line in launch_lines(&text) {
            for factory in ["wyzesrc", "wyzesink"] {
                let known: Vec<String> = own_properties(factory).iter().map(|pspec| pspec.name().to_owned()).collect();
                for settings in line.split(&format!("{factory} ")).skip(1) {
                    let settings = settings.split(" ! ").next().unwrap().split_whitespace();
                    let keys = settings.map_while(|setting| setting.split_once('=')).map(|(key, _)| key);
                    for key in keys.filter(|key| *key != "name") {
                        assert!(known.iter().any(|name| name == key), "{}: {factory} {key}", page.display());
                        seen += 1;
                    }
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_pages_have_at_most_120_columns() {
    for (page, text) in pages() {
        // Tables have no other place for their text.
        for line in text.lines().filter(|line| !line.starts_with('|')) {
            assert!(line.chars().count() <= 120, "{}: {line}", page.display());
        }
    }
}
