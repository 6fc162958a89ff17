//! The files of a crate, and the references between them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    slice,
};

use super::imports::{Contents, NamedPath};

/// A reference from a file to a module or an item of the crate.
#[derive(Debug)]
pub struct Reference {
    /// Path from the root of the crate.
    pub path: Vec<String>,
    pub line: usize,
    /// Whether the file uses the item itself, rather than only exporting it.
    pub is_used: bool,
}

impl Reference {
    /// Returns whether the reference names `target`, or an item in it.
    pub fn is_below(&self, target: &str) -> bool {
        let mut path = self.path.iter();
        target.split("::").all(|part| path.next().is_some_and(|segment| segment == part))
    }
}

/// A file of the crate.
#[derive(Debug)]
pub struct SourceFile {
    /// Name relative to the source folder.
    pub name: String,
    /// Path of the module from the root of the crate. Empty for `lib.rs`.
    pub module: Vec<String>,
    pub references: Vec<Reference>,
    /// Paths of exported items, by name.
    exports: BTreeMap<String, Vec<String>>,
}

impl SourceFile {
    /// Returns the room that the file belongs to. `lib` for `lib.rs`.
    pub fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

/// The files of a crate, without `main.rs` and without files that only tests use.
#[derive(Debug)]
pub struct Sources {
    pub files: Vec<SourceFile>,
}

impl Sources {
    /// Reads all files below a source folder.
    pub fn read(src: &Path) -> Self {
        let mut sources = Self { files: Vec::new() };
        sources.add(src, "lib.rs", &[]);
        assert!(sources.files.len() > 1, "no sources in {}", src.display());
        sources.follow_exports_of_lib();
        sources
    }

    /// Replaces each reference to an item that `lib.rs` exports by a reference to the item itself.
    fn follow_exports_of_lib(&mut self) {
        let lib = self.files.iter().find(|file| file.module.is_empty());
        let exports = lib.map(|file| file.exports.clone()).unwrap_or_default();
        let others = self.files.iter_mut().filter(|file| !file.module.is_empty());
        for reference in others.flat_map(|file| &mut file.references) {
            if let Some(exported) = reference.path.first().and_then(|name| exports.get(name)) {
                reference.path = [exported.as_slice(), &reference.path[1..]].concat();
            }
        }
    }

    /// Adds a file and its child modules. A module behind `cfg(test)` is no child.
    fn add(&mut self, src: &Path, name: &str, module: &[String]) {
        let text = fs::read_to_string(src.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        let contents = Contents::parse(&text).unwrap_or_else(|why| panic!("{name}: {why}"));
        for child in &contents.children {
            let module = [module, slice::from_ref(child)].concat();
            self.add(src, &file_name(src, &module), &module);
        }
        self.files.push(source_file(name, module, &contents));
    }

    /// Returns whether a reference leads from the file's room to another.
    pub fn leaves_room(&self, file: &SourceFile, reference: &Reference) -> bool {
        let target = reference.path.first().map(String::as_str);
        target.is_some_and(|room| room != file.room() && self.is_room(room))
    }

    fn is_room(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.room() == name)
    }

    /// Returns the index of the file that defines the item at this path: exports are followed.
    pub fn file_of(&self, path: &[String]) -> Option<usize> {
        let module_len =
            (0..=path.len()).rev().find(|len| self.index_of(&path[..*len]).is_some())?;
        let index = self.index_of(&path[..module_len])?;
        match path.get(module_len).and_then(|name| self.files[index].exports.get(name)) {
            Some(exported) if exported.as_slice() != path => self.file_of(exported),
            _ => Some(index),
        }
    }

    fn index_of(&self, module: &[String]) -> Option<usize> {
        self.files.iter().position(|file| file.module == module)
    }
}

fn file_name(src: &Path, module: &[String]) -> String {
    let path: PathBuf = module.iter().collect();
    let file = format!("{}.rs", path.display());
    if src.join(&file).exists() { file } else { format!("{}/mod.rs", path.display()) }
}

fn source_file(name: &str, module: &[String], contents: &Contents) -> SourceFile {
    let mut references = Vec::new();
    let mut exports = BTreeMap::new();
    for NamedPath { path, line, exported_as } in &contents.paths {
        let Some(path) = absolute(path, module, contents) else { continue };
        let is_used = match exported_as {
            Some(name) => contents.identifiers.contains(name),
            None => true,
        };
        references.push(Reference { path: path.clone(), line: *line, is_used });
        exports.extend(exported_as.clone().map(|name| (name, path)));
    }
    SourceFile { name: name.to_owned(), module: module.to_vec(), references, exports }
}

/// Returns a path from the root of the crate. `None` for a path into another crate, or of a local
/// name.
fn absolute(path: &[String], module: &[String], contents: &Contents) -> Option<Vec<String>> {
    let first = path.first()?;
    let rest = &path[1..];
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let supers = path.iter().take_while(|segment| *segment == "super").count();
            let parent = &module[..module.len().checked_sub(supers)?];
            Some([parent, &path[supers..]].concat())
        }
        child if contents.children.contains(child) => Some([module, path].concat()),
        _ => None,
    }
}
