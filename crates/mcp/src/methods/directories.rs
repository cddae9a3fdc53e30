//! What depends on the files that there are: `resources/list` of a server with directories, and the methods of the extension
//! of skills.

use std::sync::Arc;

use super::resources::read_uri;
use super::{Operation, Performed};
use crate::directory::Catalog;
use crate::error::Error;
use crate::exchange::Context;
use crate::jsonrpc::{Params, text};
use crate::list::{List, Listed, Listing};
use crate::server::Server;

/// A request that depends on the files that there are.
#[derive(Debug)]
pub(crate) struct ShowFiles {
    question: Question,
    /// None until the host has said it.
    pub(super) catalog: Option<Arc<Catalog>>,
}

#[derive(Debug)]
enum Question {
    /// `resources/list`
    Resources { cursor: Option<String> },
    /// `skills/list`
    Skills { cursor: Option<String> },
    /// `skills/get`
    Skill { uri: String },
    /// `resources/directory/read`
    Directory { uri: String, cursor: Option<String> },
}

/// Reads it. Whether a cursor or a URI is one can be told only when the files are known.
pub(super) fn read(method: &str, params: &Params<'_>) -> Result<Operation, Error> {
    let cursor = || params.cursor.map(|cursor| text(cursor).map(Into::into).ok_or_else(unknown_cursor)).transpose();
    let question = match method {
        "skills/list" => Question::Skills { cursor: cursor()? },
        "skills/get" => Question::Skill { uri: read_uri(params)? },
        "resources/directory/read" => Question::Directory { uri: read_uri(params)?, cursor: cursor()? },
        _ => Question::Resources { cursor: cursor()? },
    };
    Ok(Operation::ShowFiles(Box::new(ShowFiles { question, catalog: None })))
}

pub(super) fn unknown_cursor() -> Error {
    Error::InvalidParams("unknown cursor: begin again without one".into())
}

impl ShowFiles {
    /// Answers it.
    pub(super) fn perform<'s>(self, server: &'s Server, context: &Context) -> Performed<'s> {
        let version = context.version;
        let catalog = &*self.catalog.unwrap_or_default();
        let page = |list: &List, cursor: &Option<String>| match list.page(cursor.as_deref()) {
            Some(page) => Ok(list.body(page).clone()),
            None => Err(unknown_cursor()),
        };
        let found = match &self.question {
            Question::Resources { cursor } => match &context.offering {
                None => page(catalog.resources(server, version), cursor),
                Some(offering) => {
                    let mut items = catalog.listed(server);
                    items.extend(offering.listed(Listing::Resources));
                    let member = Listing::Resources.member();
                    page(&List::new(member, &items, version, server.page_size(), "", &[]), cursor)
                }
            },
            Question::Skills { cursor } => page(catalog.skills(server), cursor),
            Question::Directory { uri, cursor } => match catalog.children(server, uri) {
                Some(children) => {
                    let items: Vec<_> = children.iter().map(|child| Listed::Child(server, child)).collect();
                    page(&List::new("resources", &items, version, server.page_size(), "", &[]), cursor)
                }
                None => Err(Error::InvalidParams(format!("\"{uri}\" is no directory here").into())),
            },
            Question::Skill { uri } => {
                return match catalog.skill(uri) {
                    Some(skill) => {
                        let mut out = Vec::new();
                        skill.write_result(server, &mut out);
                        Performed::Made(out)
                    }
                    None => {
                        Performed::Error(Error::InvalidParams(format!("there is no skill \"{uri}\"").into()).into())
                    }
                };
            }
        };
        match found {
            Ok(page) => Performed::Result(server.list_opening(version), page),
            Err(error) => Performed::Error(error.into()),
        }
    }
}
