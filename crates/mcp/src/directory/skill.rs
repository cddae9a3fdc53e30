//! A skill: a directory with a `SKILL.md` (the extension `io.modelcontextprotocol/skills`).

use serde_json::{Map, Value};

use super::found::{Contents, FoundFile};

/// Files of one skill, and bytes of all of them together: what every client must take.
const MAX_FILES: usize = 512;
const MAX_SIZE: u64 = 16 << 20;
/// Characters of a name and of a description.
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1024;
/// What the words before the text may cost.
const LIMITS: yaml::Limits = yaml::Limits { values: 10_000, depth: 32 };

/// What a `SKILL.md` says before its text begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frontmatter {
    pub(super) name: String,
    pub(super) description: String,
    /// All of it.
    pub(super) json: Map<String, Value>,
}

/// Reads and judges the skill of a directory with this name.
pub(super) fn read(directory: &str, manifest: &FoundFile) -> Result<Frontmatter, String> {
    let contents = manifest.contents.as_ref().ok_or("it could not be read")?;
    let text = contents.text.as_deref().unwrap_or_default();
    let json = frontmatter(text)?;
    let member = |name: &str| match json.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => Err(format!("its \"{name}\" is not a text")),
        None => Err(format!("it has no \"{name}\" before its text")),
    };
    let (name, description) = (member("name")?, member("description")?);
    if name != directory {
        return Err(format!("its name \"{name}\" is not that of its directory, \"{directory}\""));
    }
    if !is_name(&name) {
        return Err(format!(
            "its name \"{name}\" is not 1 to {MAX_NAME} lower-case letters, digits and single hyphens between them"
        ));
    }
    if description.chars().count() > MAX_DESCRIPTION {
        return Err(format!("its description has more than {MAX_DESCRIPTION} characters"));
    }
    Ok(Frontmatter { name, description, json })
}

/// Whether clients can be expected to take a skill of these files.
pub(super) fn check(files: &[&FoundFile]) -> Result<(), String> {
    if files.len() > MAX_FILES {
        return Err(format!("it has {} files, more than the limit of {MAX_FILES}", files.len()));
    }
    let size: u64 = files.iter().map(|file| file.size).sum();
    if size > MAX_SIZE {
        return Err(format!("its files have {size} bytes, more than the limit of {MAX_SIZE}"));
    }
    match files.iter().find(|file| file.contents.is_none()) {
        Some(file) => Err(format!("its file \"{}\" could not be read", file.path)),
        None => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= MAX_NAME && name.split('-').all(part)
}

/// The YAML between the two lines of hyphens that a text begins with.
fn frontmatter(text: &[u8]) -> Result<Map<String, Value>, String> {
    let is_rule = |line: &[u8]| line.trim_ascii_end() == b"---";
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().filter(|line| is_rule(line)).ok_or("it does not begin with a line \"---\"")?;
    let mut length = 0;
    let end = lines.find(|line| {
        let ends = is_rule(line);
        length += if ends { 0 } else { line.len() };
        ends
    });
    if end.is_none() {
        return Err(format!("nothing ends what its first line begins; that must be within {} bytes", Contents::TEXT));
    }
    let yaml = std::str::from_utf8(&text[first.len()..first.len() + length]).map_err(|_| "it is not UTF-8")?;
    match yaml::parse(yaml, LIMITS) {
        Ok(Value::Object(json)) => Ok(json),
        Ok(_) => Err("what stands between its lines \"---\" is no object".into()),
        // Line 1 is the rule.
        Err(error) => Err(format!("line {}, column {}: {}", error.line + 1, error.column, error.text)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(text: &str) -> FoundFile {
        let contents = Contents { digest: [0; 32], text: Some(text.as_bytes().to_vec()) };
        FoundFile { path: "a/SKILL.md".into(), size: 1, modified: 0, media_type: None, contents: Some(contents) }
    }

    #[test]
    fn what_an_author_wrote_is_kept() {
        let text = "\u{feff}---\r\nname: pdf-tools\r\ndescription: >\r\n  Reads\r\n  PDF.\r\nmetadata: {version: 1.0, since: 2026-01-01}\r\n---\r\n---\r\nname: other\r\n";
        let skill = read("pdf-tools", &file(text)).unwrap();
        assert_eq!((skill.name.as_str(), skill.description.as_str()), ("pdf-tools", "Reads PDF.\n"));
        assert_eq!(skill.json["metadata"], json!({"version": 1.0, "since": "2026-01-01"}));
        assert_eq!(skill.json.len(), 3);
        assert!(read("a", &file("---\nname: a\ndescription: b\n---")).is_ok());
    }

    #[test]
    fn what_is_no_skill_says_why() {
        let with = |name: &str, description: &str| format!("---\nname: {name}\ndescription: {description}\n---\n");
        for (directory, text, expected) in [
            ("a", String::new(), "does not begin with a line"),
            ("a", "# A".into(), "does not begin with a line"),
            ("a", "---\nname: a".into(), "nothing ends what its first line begins"),
            ("a", "---\n---\n".into(), "line 2, column 1"),
            ("a", "---\n- a\n---\n".into(), "is no object"),
            ("a", "---\nname: [\n---\n".into(), "line 2, column 7"),
            ("a", "---\ndescription: b\n---\n".into(), "it has no \"name\""),
            ("a", "---\nname: a\n---\n".into(), "it has no \"description\""),
            ("a", with("1", "b"), "its \"name\" is not a text"),
            ("a", with("b", "b"), "its name \"b\" is not that of its directory, \"a\""),
            ("A", with("A", "b"), "its name \"A\" is not 1 to 64"),
            ("a--b", with("a--b", "b"), "its name \"a--b\" is not 1 to 64"),
            ("-a", with("\"-a\"", "b"), "its name \"-a\" is not 1 to 64"),
            (&"a".repeat(65), with(&"a".repeat(65), "b"), "is not 1 to 64"),
            ("a", with("a", &"b".repeat(1025)), "more than 1024 characters"),
        ] {
            let error = read(directory, &file(&text)).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut unread = file("");
        unread.contents = None;
        assert_eq!(read("a", &unread).unwrap_err(), "it could not be read");
    }

    #[test]
    fn a_skill_is_no_larger_than_every_client_takes() {
        let sized = |size| FoundFile { size, ..file("") };
        let many = vec![sized(1); 513];
        assert!(check(&many[..512].iter().collect::<Vec<_>>()).is_ok());
        assert!(check(&many.iter().collect::<Vec<_>>()).unwrap_err().contains("513 files"));
        let (half, more) = (sized(8 << 20), sized((8 << 20) + 1));
        assert!(check(&[&half, &half]).is_ok());
        assert!(check(&[&half, &more]).unwrap_err().contains("16777217 bytes"));
        let unread = FoundFile { contents: None, ..file("") };
        assert!(check(&[&half, &unread]).unwrap_err().contains("\"a/SKILL.md\" could not be read"));
    }
}
