//! What clients are shown of directories.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::found::{Found, FoundFile};
use super::{Directory, MANIFEST, file_name, media_type, parent, skill};
use crate::ProtocolVersion;
use crate::list::{List, Listed, Listing};
use crate::listen::{Publication, Topic, hex};
use crate::server::{Server, VERSIONS};
use crate::tool::Object;

/// Changed files that clients are told of one by one.
const MAX_UPDATES: usize = 256;

/// The resources that are files, and the skills that they make: of one moment.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    skills: Vec<Skill>,
    /// By resource: the directories below its root.
    directories: HashMap<usize, Vec<String>>,
    problems: Vec<String>,
    /// By revision; each is made when it is asked for.
    resources: [OnceLock<List>; VERSIONS.len()],
    skills_list: OnceLock<List>,
}

/// A file that is a resource.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) uri: String,
    name: String,
    description: Option<String>,
    media_type: Option<String>,
    file: FoundFile,
    /// The server's resource that it is one of.
    resource: usize,
}

/// An entry of `skills/list`.
#[derive(Debug)]
pub(crate) struct Skill {
    pub(crate) uri: String,
    json: String,
}

/// What stands in a directory.
#[derive(Debug)]
pub(crate) enum Child<'c> {
    File(&'c Entry),
    Directory { uri: String, name: &'c str },
}

impl Entry {
    /// Writes it as a `Resource` of a revision, with a name of its own or this one.
    pub(crate) fn write(&self, server: &Server, version: ProtocolVersion, name: Option<&str>, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("uri", &self.uri);
        object.text("name", name.unwrap_or(&self.name));
        if let Some(description) = &self.description {
            object.text("description", description);
        }
        if let Some(media_type) = &self.media_type {
            object.text("mimeType", media_type);
        }
        let annotations = server.resources()[self.resource].annotations(version, Some(self.file.modified));
        if !annotations.is_empty() {
            object.member("annotations", &Value::Object(annotations).to_string());
        }
        object.member("size", &self.file.size.to_string());
        object.end();
    }
}

impl Skill {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.json.as_bytes());
    }

    /// Writes a `GetSkillResult`.
    pub(crate) fn write_result(&self, server: &Server, out: &mut Vec<u8>) {
        out.extend_from_slice(server.list_opening(ProtocolVersion::V2026_07_28).as_bytes());
        out.extend_from_slice(b"\"skill\":");
        self.write(out);
        out.push(b'}');
    }
}

impl Child<'_> {
    pub(crate) fn uri(&self) -> &str {
        match self {
            Child::File(entry) => &entry.uri,
            Child::Directory { uri, .. } => uri,
        }
    }

    pub(crate) fn write(&self, server: &Server, version: ProtocolVersion, out: &mut Vec<u8>) {
        match self {
            Child::File(entry) => entry.write(server, version, Some(file_name(&entry.file.path)), out),
            Child::Directory { uri, name } => {
                let mut object = Object::begin(out);
                object.text("uri", uri);
                object.text("name", name);
                object.text("mimeType", "inode/directory");
                object.end();
            }
        }
    }
}

impl Server {
    /// The directories whose files are listed.
    pub fn directories(&self) -> impl Iterator<Item = &Directory> {
        self.resources().iter().filter_map(|resource| resource.directory.as_ref())
    }

    /// What clients are shown of what was found in each of them, in their order.
    pub fn catalog(&self, found: Vec<Found>) -> Catalog {
        let mut catalog = Catalog::default();
        let resources = self.resources().iter().enumerate();
        let directories = resources.filter_map(|(number, resource)| Some((number, resource.directory.as_ref()?)));
        for ((number, directory), found) in directories.zip(found) {
            catalog.problems.extend(found.problems);
            catalog.directories.insert(number, found.directories);
            let first = catalog.entries.len();
            let mut files = found.files;
            files.sort_by(|a, b| a.path.cmp(&b.path));
            for file in files {
                let Some(name) = directory.name(&file.path) else { continue };
                let uri = directory.uri_of(name);
                // Another resource may be the one that is read by this URI.
                let read = self.find_resource(&uri).map(|(resource, _)| resource);
                if read != Some(number) {
                    continue;
                }
                let ours = self.resources()[number].mime_type().or_else(|| media_type(&file.path)).map(str::to_owned);
                catalog.entries.push(Entry {
                    uri,
                    name: name.to_owned(),
                    description: None,
                    media_type: ours.or_else(|| file.media_type.clone()),
                    file,
                    resource: number,
                });
            }
            if directory.has_skills() {
                catalog.add_skills(directory, first);
            }
        }
        catalog
    }
}

impl Catalog {
    /// Finds the skills among the entries from the `first` on, which are those of one directory.
    fn add_skills(&mut self, directory: &Directory, first: usize) {
        for index in first..self.entries.len() {
            let path = self.entries[index].file.path.clone();
            if file_name(&path) != MANIFEST {
                continue;
            }
            let added = match parent(&path) {
                Some(root) => self.add_skill(root, first, index),
                None => Err("it is in no directory of its own".into()),
            };
            if let Err(why) = added {
                self.problems.push(format!("\"{}/{path}\" is no skill: {why}", directory.root()));
            }
        }
    }

    fn add_skill(&mut self, root: &str, first: usize, manifest: usize) -> Result<(), String> {
        let front = skill::read(file_name(root), &self.entries[manifest].file)?;
        let inside = format!("{root}/");
        let entries = &self.entries[first..];
        // They are sorted by their paths.
        let entries = &entries[entries.partition_point(|entry| entry.file.path < inside)..];
        let files: Vec<&Entry> = entries.iter().take_while(|entry| entry.file.path.starts_with(&inside)).collect();
        skill::check(&files.iter().map(|entry| &entry.file).collect::<Vec<_>>())?;
        let resource = |entry: &&Entry| {
            let digest = entry.file.contents.as_ref().map(|contents| hex(&contents.digest)).unwrap_or_default();
            json!({"uri": entry.uri, "digest": format!("sha256:{digest}"), "size": entry.file.size})
        };
        let resources: Vec<Value> = files.iter().map(resource).collect();
        let entry = &mut self.entries[manifest];
        let json = json!({"uri": entry.uri, "frontmatter": front.json, "resources": resources}).to_string();
        entry.name = front.name;
        entry.description = Some(front.description);
        self.skills.push(Skill { uri: entry.uri.clone(), json });
        Ok(())
    }

    /// What an operator should know: files that are no skills although they seem to be.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// A number that changes with the files.
    pub fn digest(&self) -> u64 {
        let mut digest = Sha256::new();
        for Entry { uri, file, .. } in &self.entries {
            digest.update(uri);
            digest.update([0]);
            digest.update(file.size.to_be_bytes());
            digest.update(file.modified.to_be_bytes());
            digest.update(file.contents.as_ref().map_or([0; 32], |contents| contents.digest));
        }
        digest.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// What clients are told of what is different from before.
    pub fn changes(&self, before: &Catalog) -> Vec<Publication> {
        let known: HashMap<&str, &Entry> = before.entries.iter().map(|entry| (entry.uri.as_str(), entry)).collect();
        let is_same = |entry: &Entry| known.get(entry.uri.as_str()).is_some_and(|known| known.file == entry.file);
        let now: HashSet<&str> = self.entries.iter().map(|entry| entry.uri.as_str()).collect();
        // What is gone has changed for who has asked to hear of it.
        let gone = before.entries.iter().map(|entry| entry.uri.as_str()).filter(|uri| !now.contains(uri));
        let changed: Vec<&str> = self.entries.iter().filter(|entry| !is_same(entry)).map(|e| e.uri.as_str()).collect();
        let is_relisted = now.len() != known.len() || changed.iter().any(|uri| !known.contains_key(uri));
        let mut publications: Vec<Publication> = changed
            .iter()
            .copied()
            .filter(|uri| known.contains_key(uri))
            .chain(gone)
            .take(MAX_UPDATES)
            .map(Publication::resource_updated)
            .collect();
        publications.extend(is_relisted.then(|| Publication::list_changed(Topic::ResourcesListChanged)).flatten());
        publications
    }

    /// What `resources/list` shows of this server's own.
    pub(crate) fn listed<'c>(&'c self, server: &'c Server) -> Vec<Listed<'c>> {
        let mut items = server.items(Listing::Resources);
        items.extend(self.entries.iter().map(|entry| Listed::File(server, entry)));
        items
    }

    /// `resources/list`.
    pub(crate) fn resources(&self, server: &Server, version: ProtocolVersion) -> &List {
        self.resources[version as usize].get_or_init(|| {
            let items = self.listed(server);
            List::new("resources", &items, version, server.page_size(), "", &[])
        })
    }

    /// `skills/list`.
    pub(crate) fn skills(&self, server: &Server) -> &List {
        self.skills_list.get_or_init(|| {
            let version = ProtocolVersion::V2026_07_28;
            let items: Vec<_> = self.skills.iter().map(Listed::Skill).collect();
            List::new("skills", &items, version, server.page_size(), "", &[])
        })
    }

    /// The skill whose `SKILL.md` has this URI.
    pub(crate) fn skill(&self, uri: &str) -> Option<&Skill> {
        self.skills.iter().find(|skill| skill.uri == uri)
    }

    /// What stands in the directory of a URI; none if there is no such directory.
    pub(crate) fn children(&self, server: &Server, uri: &str) -> Option<Vec<Child<'_>>> {
        let mut resources = server.resources().iter().enumerate();
        resources.find_map(|(number, resource)| {
            let directory = resource.directory.as_ref()?;
            let path = directory.path_of_directory(uri)?;
            let below = self.directories.get(&number)?;
            if !path.is_empty() && !below.contains(&path) {
                return None;
            }
            let is_child = |child: &str| parent(child).unwrap_or_default() == path;
            let directories = below.iter().filter(|path| is_child(path)).filter_map(|path| {
                Some(Child::Directory { uri: directory.uri_of_directory(path)?, name: file_name(path) })
            });
            let files = self.entries.iter().filter(|entry| entry.resource == number && is_child(&entry.file.path));
            let mut children: Vec<Child<'_>> = directories.chain(files.map(Child::File)).collect();
            children.sort_by(|a, b| a.uri().cmp(b.uri()));
            Some(children)
        })
    }
}
