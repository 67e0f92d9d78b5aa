//! No circles between the files of a crate: of two files that use each other nobody can read, test or move one alone.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};

/// Names from the root of the crate down.
type Names = Vec<String>;

/// A file, which is a module.
#[derive(Default)]
struct File {
    path: PathBuf,
    /// What it defines.
    items: BTreeSet<String>,
    /// What it imports, by the name that it has here.
    imports: BTreeMap<String, Names>,
    /// What it imports all of.
    globs: Vec<Names>,
    /// Paths in its code, and names of one part, which may be imported.
    paths: BTreeSet<Names>,
}

/// Code that is built for tests alone may use what it likes.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl File {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut file = Self { path, ..Self::default() };
        for item in &parsed.items {
            let name = match item {
                Item::Const(item) => &item.ident,
                Item::Enum(item) => &item.ident,
                Item::Fn(item) => &item.sig.ident,
                Item::Static(item) => &item.ident,
                Item::Struct(item) => &item.ident,
                Item::Trait(item) => &item.ident,
                Item::Type(item) => &item.ident,
                Item::Union(item) => &item.ident,
                Item::Mod(item) if item.content.is_some() => &item.ident,
                _ => continue,
            };
            file.items.insert(name.to_string());
        }
        file.visit_file(&parsed);
        file
    }

    /// Adds all that looks like a path: names with `::` between them. Fields and methods are none.
    fn add_paths(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: Option<usize>, wanted| {
            let token = at.and_then(|at| tokens.get(at));
            matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == wanted)
        };
        let name = |at: usize| match tokens.get(at) {
            Some(TokenTree::Ident(name)) => Some(name.to_string()),
            _ => None,
        };
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let [before, behind] = [1, 2].map(|n| is(at.checked_sub(n), '.'));
            let is_member = before && !behind;
            at += 1;
            let first = match token {
                TokenTree::Group(group) => {
                    self.add_paths(group.stream());
                    continue;
                }
                TokenTree::Ident(name) => name.to_string(),
                _ => continue,
            };
            let mut path = vec![first];
            while is(Some(at), ':')
                && is(Some(at + 1), ':')
                && let Some(next) = name(at + 2)
            {
                path.push(next);
                at += 3;
            }
            if !is_member {
                self.paths.insert(path);
            }
        }
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Glob(_) => self.globs.push(before.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().expect("`self` stands in a group").clone();
                self.imports.insert(last, before.to_vec());
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.imports.insert(name.clone(), with(name));
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" {
                    before.to_vec()
                } else {
                    with(rename.ident.to_string())
                };
                self.imports.insert(rename.rename.to_string(), path);
            }
        }
    }
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    /// What a macro makes of what it is given, nobody knows; paths in it are taken as they stand.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.add_paths(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.insert(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

/// What a path names.
enum Found<'a> {
    /// Something that this file defines.
    In(&'a Names),
    /// This file.
    Module(&'a Names),
}

/// The files of a crate, by the names of their modules.
struct Crate(BTreeMap<Names, File>);

impl Crate {
    fn read(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(at) = folders.pop() {
            for entry in fs::read_dir(&at).unwrap() {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") && stem != "tests" {
                    let names = path.with_extension("");
                    let names = names.strip_prefix(folder).unwrap().iter();
                    let mut names: Names = names.map(|n| n.to_str().unwrap().to_owned()).collect();
                    names.pop_if(|last| last == "lib" || last == "mod" || last == "main");
                    files.insert(names, File::read(path));
                }
            }
        }
        Self(files)
    }

    /// What a path of a file names: the file that defines it, or the file that it is, being a
    /// module. Nothing of other crates.
    fn find(&self, from: &[String], path: &[String], steps: usize) -> Option<Found<'_>> {
        let (first, rest) = path.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (from.to_vec(), rest),
            "super" => (from.split_last()?.1.to_vec(), rest),
            _ => (from.to_vec(), path),
        };
        while let Some((name, behind)) = rest.split_first() {
            if name == "super" {
                at.pop()?;
                rest = behind;
                continue;
            }
            let (key, file) = self.0.get_key_value(&at)?;
            let below = [&at[..], std::slice::from_ref(name)].concat();
            let module = self.0.get_key_value(&below).map(|(key, _)| key);
            // A function may have the name of its module, and then it stands last.
            if module.is_some() && !behind.is_empty() {
                (at, rest) = (below, behind);
                continue;
            }
            if file.items.contains(name) {
                return Some(Found::In(key));
            }
            let import = file.imports.get(name).zip(steps.checked_sub(1));
            let found = import
                .and_then(|(import, steps)| self.find(&at, &[&import[..], behind].concat(), steps));
            return found.or(module.map(Found::Module));
        }
        self.0.get_key_value(&at).map(|(key, _)| Found::Module(key))
    }

    /// The files that each file uses.
    fn uses(&self) -> BTreeMap<&Names, BTreeSet<&Names>> {
        let of = |(name, file): (_, &File)| {
            let name: &Names = name;
            let paths = file.paths.iter().filter_map(|path| match self.find(name, path, 16)? {
                Found::In(found) => Some(found),
                // Who names a module alone uses nothing of it yet.
                Found::Module(_) => None,
            });
            let globs = file.globs.iter().filter_map(|glob| match self.find(name, glob, 16)? {
                Found::In(found) | Found::Module(found) => Some(found),
            });
            (name, paths.chain(globs).filter(|found| *found != name).collect())
        };
        self.0.iter().map(of).collect()
    }

    /// Files that use each other, by way of others too; each one with those of them that it uses.
    fn circles(&self) -> BTreeMap<PathBuf, Vec<PathBuf>> {
        let mut uses = self.uses();
        // What uses nothing any more is part of no circle, and so is what nothing uses.
        loop {
            let before = uses.len();
            let left: BTreeSet<&Names> = uses.keys().copied().collect();
            for used in uses.values_mut() {
                used.retain(|used| left.contains(used));
            }
            let used: BTreeSet<&Names> = uses.values().flatten().copied().collect();
            uses.retain(|name, uses| !uses.is_empty() && used.contains(name));
            if uses.len() == before {
                break;
            }
        }
        let path = |name: &Names| self.0[name].path.clone();
        uses.iter()
            .map(|(name, used)| (path(name), used.iter().map(|n| path(n)).collect()))
            .collect()
    }
}

#[test]
fn files_do_not_use_each_other_in_circles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = 0;
    for folder in crates.chain([root.join("passes")]) {
        // The schema's code is generated in few files.
        if folder.ends_with("tfq-schema") {
            continue;
        }
        let read = Crate::read(&folder.join("src"));
        files += read.0.len();
        let circles = read.circles();
        assert!(circles.is_empty(), "move what these files share to one below them: {circles:#?}");
    }
    assert!(files > 200, "{files} files");
}

/// The test sees a circle by way of a name that a parent passes on, and none in passing it on.
#[test]
fn a_circle_by_way_of_a_parent_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::b;\n");
    write("a.rs", "use crate::b;\npub struct A;\nimpl A { pub fn b(&self) { b(self) } }\n");
    write("b.rs", "pub fn b(_: &super::A) {}\n");
    let circles = Crate::read(folder.path()).circles();
    assert_eq!(circles.len(), 2, "{circles:?}");
    write("b.rs", "pub fn b(_: &super::A) {}\n#[cfg(test)]\nmod tests { use super::*; }\n");
    write("a.rs", "pub struct A;\n#[cfg(test)]\nmod tests { use crate::b; }\n");
    assert!(Crate::read(folder.path()).circles().is_empty());
}

/// What a macro is given may use other files too, and a field of a name is no use of it.
#[test]
fn a_circle_by_way_of_what_a_macro_is_given_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\n");
    write("a.rs", "pub struct A { b: u8 }\nfn f() { vec![(1, [0..crate::b::b()])]; }\n");
    write("b.rs", "use crate::a::A;\npub fn b() -> A {}\n");
    assert_eq!(Crate::read(folder.path()).circles().len(), 2);
    write("a.rs", "use crate::b;\npub struct A { b: u8 }\nfn f(a: &A) { vec![a.b]; }\n");
    assert!(Crate::read(folder.path()).circles().is_empty());
}
