//! The paths that a file names, from its syntax tree.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use syn::{
    Attribute, Expr, ImplItemFn, ItemFn, ItemMod, ItemUse, Macro, Token, UseTree, Visibility,
    parse::Parser, punctuated::Punctuated, spanned::Spanned, visit::Visit,
};

/// A path that a file names, with the name under which a `pub use` exports it.
#[derive(Debug)]
pub struct NamedPath {
    pub path: Vec<String>,
    pub line: usize,
    /// `None` for a path that is not a `pub use`.
    pub exported_as: Option<String>,
}

/// What a file contains, apart from its test modules.
#[derive(Debug, Default)]
pub struct Contents {
    pub paths: Vec<NamedPath>,
    /// Child modules in separate files.
    pub children: BTreeSet<String>,
    /// All identifiers outside `use` and `mod`.
    pub identifiers: BTreeSet<String>,
}

impl Contents {
    pub fn parse(text: &str) -> syn::Result<Self> {
        let mut contents = Self::default();
        contents.visit_file(&syn::parse_file(text)?);
        Ok(contents)
    }

    fn add_tree(&mut self, tree: &UseTree, prefix: &[String], is_exported: bool) {
        let mut add = |ident: &Ident, name: &Ident, is_alias: bool| {
            // `self` in a group names the group itself.
            let is_group = ident == "self" && !prefix.is_empty();
            let path: Vec<String> = match is_group {
                true => prefix.to_vec(),
                false => prefix.iter().cloned().chain([ident.to_string()]).collect(),
            };
            let name = match is_group && !is_alias {
                true => path.last().cloned().unwrap_or_default(),
                false => name.to_string(),
            };
            let line = ident.span().start().line;
            let exported_as = is_exported.then_some(name);
            self.paths.push(NamedPath { path, line, exported_as });
        };
        match tree {
            UseTree::Name(name) => add(&name.ident, &name.ident, false),
            UseTree::Rename(rename) => add(&rename.ident, &rename.rename, true),
            UseTree::Glob(glob) => {
                let line = glob.span().start().line;
                self.paths.push(NamedPath { path: prefix.to_vec(), line, exported_as: None });
            }
            UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                self.add_tree(&path.tree, &prefix, is_exported);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, prefix, is_exported);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Contents {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            let is_exported = !matches!(item.vis, Visibility::Inherited);
            self.add_tree(&item.tree, &[], is_exported);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        match &item.content {
            _ if is_test(&item.attrs) => {}
            Some(_) => syn::visit::visit_item_mod(self, item),
            None => drop(self.children.insert(item.ident.to_string())),
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string());
            let line = path.span().start().line;
            self.paths.push(NamedPath { path: segments.collect(), line, exported_as: None });
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, ident: &'ast Ident) {
        self.identifiers.insert(ident.to_string());
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        // A macro whose arguments are not expressions is not searched.
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(arguments) = arguments.parse2(item.tokens.clone()) {
            // The arguments live only here, so their contents are collected apart.
            let mut inner = Self::default();
            arguments.iter().for_each(|argument| inner.visit_expr(argument));
            self.paths.append(&mut inner.paths);
            self.identifiers.append(&mut inner.identifiers);
        }
        syn::visit::visit_macro(self, item);
    }
}

/// Returns whether an item is compiled for tests only.
fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let is_cfg_test = |list: &syn::MetaList| list.tokens.to_string() == "test";
        attr.path().is_ident("test")
            || attr.path().is_ident("cfg") && attr.meta.require_list().is_ok_and(is_cfg_test)
    })
}
