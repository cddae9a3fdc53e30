//! What a server says of itself: an `Implementation`.

use serde_json::{Value, json};

use crate::ProtocolVersion;
use crate::presentation::Presentation;
use crate::tool::{ConfigError, Object};

/// Name and version, and how they are shown.
#[derive(Debug)]
pub(super) struct ServerInfo {
    name: String,
    version: String,
    presentation: Presentation,
    website: Option<String>,
}

impl Default for ServerInfo {
    fn default() -> Self {
        ServerInfo {
            name: "ngx_http_mcp_module".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            presentation: Presentation::default(),
            website: None,
        }
    }
}

impl ServerInfo {
    /// `NAME VERSION [title=TEXT] [description=TEXT] [website=URL]`
    pub(super) fn describe(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let [name, version, words @ ..] = args else {
            return Err(ConfigError("the server's name and version are needed".into()));
        };
        if name.is_empty() || version.is_empty() {
            return Err(ConfigError("the server's name and version must not be empty".into()));
        }
        (*name).clone_into(&mut self.name);
        (*version).clone_into(&mut self.version);
        for word in words {
            match word.split_once('=') {
                Some(("title", text)) => self.presentation.title(&[text])?,
                Some(("description", text)) => self.presentation.description(&[text])?,
                Some(("website", url)) if url.starts_with("https://") || url.starts_with("http://") => {
                    if self.website.replace(url.to_owned()).is_some() {
                        return Err(ConfigError("\"website\" is duplicate".into()));
                    }
                }
                _ => {
                    return Err(ConfigError(format!(
                        "it does not take \"{word}\"; after name and version it takes title=…, description=… and \
                         website=https://…"
                    )));
                }
            }
        }
        Ok(())
    }

    pub(super) fn icons(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.presentation.icons(args)
    }

    /// What a revision knows of it.
    pub(super) fn shown(&self, version: ProtocolVersion) -> Value {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("name", &self.name);
        object.text("version", &self.version);
        self.presentation.write(version, &mut object);
        if let Some(website) = &self.website {
            object.text("websiteUrl", website);
        }
        object.end();
        let mut shown: Value = serde_json::from_slice(&out).unwrap_or_else(|_| json!({}));
        if let (Value::Object(members), true) = (&mut shown, version < ProtocolVersion::V2025_11_25) {
            members.retain(|name, _| matches!(name.as_str(), "name" | "version" | "title"));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_told_what_it_knows() {
        let mut info = ServerInfo::default();
        let words = ["shop", "1.0", "title=The shop", "description=What we sell", "website=https://shop.example"];
        info.describe(&words).unwrap();
        info.icons(&["https://shop.example/i.png", "sizes=48x48"]).unwrap();
        let all = json!({
            "name": "shop", "version": "1.0", "title": "The shop", "description": "What we sell",
            "icons": [{"src": "https://shop.example/i.png", "sizes": ["48x48"]}], "websiteUrl": "https://shop.example",
        });
        for (version, expected) in [
            (ProtocolVersion::V2025_03_26, json!({"name": "shop", "version": "1.0"})),
            (ProtocolVersion::V2025_06_18, json!({"name": "shop", "version": "1.0", "title": "The shop"})),
            (ProtocolVersion::V2025_11_25, all.clone()),
            (ProtocolVersion::V2026_07_28, all),
        ] {
            assert_eq!(info.shown(version), expected, "{version}");
        }
    }

    #[test]
    fn wrong_words_say_what_is_right() {
        for (words, expected) in [
            (&["a"][..], "name and version are needed"),
            (&["", "1"], "must not be empty"),
            (&["a", "1", "b"], "does not take \"b\"; after name and version it takes title="),
            (&["a", "1", "website=example.com"], "does not take \"website=example.com\""),
            (&["a", "1", "title="], "\"title\" needs a text"),
            (&["a", "1", "title=a", "title=b"], "\"title\" is duplicate"),
            (&["a", "1", "website=http://a", "website=http://a"], "\"website\" is duplicate"),
        ] {
            let error = ServerInfo::default().describe(words).unwrap_err().0;
            assert!(error.contains(expected), "{error}");
        }
    }
}
