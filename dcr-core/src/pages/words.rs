//! An operator's own words in several languages: names of servers, and what their scopes allow.

use super::Language;

/// What an operator said in other languages than the first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Translations {
    names: Vec<(Language, String)>,
    scopes: Vec<(Language, String, String)>,
}

impl Translations {
    pub(crate) fn add_name(&mut self, language: Language, name: String) {
        self.names.push((language, name));
    }

    pub(crate) fn add_scope(&mut self, language: Language, scope: String, words: String) {
        self.scopes.push((language, scope, words));
    }

    /// The name in this language, or the one that is for all.
    pub(crate) fn name<'a>(&'a self, language: Language, default: &'a str) -> &'a str {
        self.names.iter().rev().find(|(l, _)| *l == language).map_or(default, |(_, name)| name)
    }

    /// The words of a scope in this language, or those that are for all.
    pub(crate) fn scope<'a>(&'a self, language: Language, scope: &str, default: &'a str) -> &'a str {
        let said = self.scopes.iter().rev().find(|(l, name, _)| *l == language && name == scope);
        said.map_or(default, |(_, _, words)| words)
    }

    /// The scopes that there are words for.
    pub(crate) fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|(_, name, _)| name.as_str())
    }
}
