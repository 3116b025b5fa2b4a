//! CycloneDX in XML (`bom-1.N.xsd`, 1.1 to 1.7).
//!
//! Turns the text into the JSON that the same document is, as far as the parent module reads it, so that both have one
//! reader. Which element becomes which member is a table ([`shape`]). Elements of other namespaces and attributes that are
//! not in the table are passed over; elements of CycloneDX's namespace that are not in it become a member that is null,
//! which `metadata` refuses. Refuses a DTD, entities of the document's own, an element twice where one is meant, text that
//! is not UTF-8, nesting deeper than JSON may have, and XML of SPDX.

mod shape;

use std::borrow::Cow;

use quick_xml::{
    NsReader,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};
use shape::{BOM, Kind, Node};

use super::{super::SbomError, XML_VERSIONS};
use crate::json::MAX_DEPTH;

const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

/// The document as JSON, and its version.
pub(in crate::sbom) struct Converted {
    /// The JSON.
    pub json: String,
    /// The version that the namespace names.
    pub version: String,
}

/// Whether bytes begin as XML does.
pub(in crate::sbom) fn is_xml(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

fn malformed(why: impl ToString) -> SbomError {
    SbomError::Malformed { format: "CycloneDX", why: why.to_string() }
}

/// Turns XML into JSON.
///
/// # Errors
/// It is another format, or not of the form that the schema asks for.
pub(in crate::sbom) fn convert(text: &str) -> Result<Converted, SbomError> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    let (json, version) = (String::with_capacity(text.len()), String::new());
    let mut walk = Walk { reader, json, depth: 0, version };
    let (start, empty) = walk.root()?;
    walk.version = walk.version(&start)?;
    walk.json.push_str(r#"{"bomFormat":"CycloneDX","#);
    walk.node(&BOM, &start, empty, Body::Open)?;
    walk.end()?;
    Ok(Converted { json: walk.json, version: walk.version })
}

/// Whether an object has its brace already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Whole,
    Open,
}

struct Walk<'t> {
    reader: NsReader<&'t [u8]>,
    json: String,
    depth: usize,
    /// That of the root's namespace: only what is of the same namespace is of the document.
    version: String,
}

/// What comes next inside an element.
enum Next<'t> {
    /// An element of CycloneDX; whether it is empty.
    Element(BytesStart<'t>, bool),
    Text(Cow<'t, str>),
    End,
}

impl<'t> Walk<'t> {
    fn event(&mut self) -> Result<Event<'t>, SbomError> {
        let at = self.reader.buffer_position();
        self.reader.read_event().map_err(|error| malformed(format_args!("{error} (byte {at})")))
    }

    /// The element that holds everything.
    fn root(&mut self) -> Result<(BytesStart<'t>, bool), SbomError> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok((start, false)),
                Event::Empty(start) => return Ok((start, true)),
                Event::DocType(_) => return Err(doctype()),
                Event::Eof => return Err(malformed("there is no element")),
                _ => {}
            }
        }
    }

    fn version(&self, start: &BytesStart<'_>) -> Result<String, SbomError> {
        let (namespace, local) = self.reader.resolver().resolve_element(start.name());
        let namespace = match namespace {
            ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
            _ => String::new(),
        };
        let local = local.as_ref();
        match local {
            "RDF" => return Err(SbomError::Unsupported("RDF")),
            "Document" | "SpdxDocument" => return Err(SbomError::Unsupported("XML of SPDX")),
            _ => {}
        }
        match namespace.strip_prefix(NAMESPACE) {
            Some(version) if local == "bom" => Ok(version.to_owned()),
            _ => {
                let found = format!("its root is {local:.80} of the namespace {namespace:.80?}");
                Err(SbomError::UnknownFormat(found))
            }
        }
    }

    /// Nothing but comments comes after the root.
    fn end(&mut self) -> Result<(), SbomError> {
        loop {
            match self.event()? {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim().is_empty() => {}
                _ => return Err(malformed("there is something after the last element")),
            }
        }
    }

    /// The next of an element's content; nothing where it is empty.
    fn next_in(&mut self, empty: bool) -> Result<Option<Next<'t>>, SbomError> {
        if empty { Ok(None) } else { self.next().map(Some) }
    }

    /// The next of an element's content; what is of another namespace is passed over.
    fn next(&mut self) -> Result<Next<'t>, SbomError> {
        loop {
            let event = self.event()?;
            let (start, empty) = match event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(_) => return Ok(Next::End),
                Event::Text(text) => return Ok(Next::Text(text.into_inner())),
                Event::CData(text) => return Ok(Next::Text(text.into_inner())),
                Event::GeneralRef(entity) => return reference(&entity).map(Next::Text),
                Event::DocType(_) => return Err(doctype()),
                Event::Eof => return Err(malformed("the document ends inside an element")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            let (namespace, _) = self.reader.resolver().resolve_element(start.name());
            let other = match namespace {
                ResolveResult::Bound(namespace) => namespace
                    .as_ref()
                    .strip_prefix(NAMESPACE)
                    .filter(|version| XML_VERSIONS.contains(version) || *version == self.version)
                    .map(str::to_owned),
                _ => None,
            };
            match other {
                Some(version) if version == self.version => {
                    return Ok(Next::Element(start, empty));
                }
                // Some readers go by local names alone, and would take it for one of the document.
                Some(version) => {
                    let name = start.local_name();
                    return Err(malformed(format_args!(
                        "an element {:.80} of CycloneDX {version} stands in a document of {}",
                        name.as_ref(),
                        self.version
                    )));
                }
                None => {}
            }
            if !empty {
                self.skip()?;
            }
        }
    }

    fn deeper(&mut self) -> Result<(), SbomError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH / 2 {
            return Err(malformed(format_args!(
                "elements are nested deeper than {} levels",
                MAX_DEPTH / 2
            )));
        }
        Ok(())
    }

    /// Passes over the rest of an element.
    fn skip(&mut self) -> Result<(), SbomError> {
        let mut open = 1_usize;
        while open > 0 {
            match self.event()? {
                Event::Start(_) => open += 1,
                Event::End(_) => open -= 1,
                Event::DocType(_) => return Err(doctype()),
                Event::Eof => return Err(malformed("the document ends inside an element")),
                _ => {}
            }
            if open > MAX_DEPTH {
                return Err(malformed(format_args!(
                    "elements are nested deeper than {MAX_DEPTH} levels"
                )));
            }
        }
        Ok(())
    }

    /// All text of an element.
    fn text(&mut self, empty: bool) -> Result<String, SbomError> {
        let mut text = String::new();
        while let Some(next) = self.next_in(empty)? {
            match next {
                Next::Text(part) => text.push_str(&part),
                Next::End => break,
                Next::Element(_, inner) => {
                    if !inner {
                        self.skip()?;
                    }
                }
            }
        }
        Ok(text.trim().to_owned())
    }

    /// An element as an object.
    fn node(
        &mut self,
        node: &'static Node,
        start: &BytesStart<'_>,
        empty: bool,
        body: Body,
    ) -> Result<(), SbomError> {
        self.deeper()?;
        if body == Body::Whole {
            self.json.push('{');
        }
        let mut seen: Vec<&str> = Vec::new();
        for (name, member, number) in node.attributes {
            let Some(value) = attribute(start, name)? else { continue };
            self.member(member, &mut seen)?;
            match number {
                true => match literal(member, &value) {
                    Some(literal) => self.json.push_str(literal),
                    None => self.quoted(&value),
                },
                false => self.quoted(&value),
            }
        }
        let mut text = String::new();
        let mut repeated = String::new();
        while let Some(next) = self.next_in(empty)? {
            match next {
                Next::End => break,
                Next::Text(part) => text.push_str(&part),
                Next::Element(start, empty) => {
                    self.child(node, &start, empty, &mut seen, &mut repeated)?;
                }
            }
        }
        if let Some(member) = node.text {
            self.member(member, &mut seen)?;
            self.quoted(text.trim());
        }
        if let Some((_, member, _)) = node.repeated.filter(|_| !repeated.is_empty()) {
            self.member(member, &mut seen)?;
            self.json.push('[');
            self.json.push_str(repeated.trim_end_matches(','));
            self.json.push(']');
        }
        if self.json.ends_with(',') {
            self.json.pop();
        }
        self.json.push('}');
        self.depth -= 1;
        Ok(())
    }

    fn child(
        &mut self,
        node: &'static Node,
        start: &BytesStart<'_>,
        empty: bool,
        seen: &mut Vec<&'static str>,
        repeated: &mut String,
    ) -> Result<(), SbomError> {
        let name = start.local_name();
        let name = name.as_ref();
        if let Some((element, _, attributed)) =
            node.repeated.filter(|(element, ..)| *element == name)
        {
            let value = attribute(start, attributed)?;
            let Some(value) = value else {
                return Err(malformed(format_args!("an element {element} has no {attributed}")));
            };
            repeated.push_str(&serde_json::Value::from(value).to_string());
            repeated.push(',');
            return if empty { Ok(()) } else { self.skip() };
        }
        let Some((_, member, kind)) = node.children.iter().find(|(element, ..)| *element == name)
        else {
            return self.unknown(node, name, empty);
        };
        self.member(member, seen)?;
        match kind {
            Kind::Text => {
                let text = self.text(empty)?;
                self.quoted(&text);
            }
            Kind::Node(inner) => self.node(inner, start, empty, Body::Whole)?,
            Kind::List(items) => self.list(items, empty)?,
            Kind::Either(lists, items) => self.either(lists, items, empty)?,
        }
        self.json.push(',');
        Ok(())
    }

    /// What the table does not have: where the object has a closed list of members, that it is there is told.
    fn unknown(&mut self, node: &Node, name: &str, empty: bool) -> Result<(), SbomError> {
        if node.closed {
            self.quoted(name);
            self.json.push_str(":null,");
        }
        if empty { Ok(()) } else { self.skip() }
    }

    /// An element whose children are the items of a list.
    fn list(&mut self, items: &'static [shape::Item], empty: bool) -> Result<(), SbomError> {
        self.json.push('[');
        if !empty {
            self.items(items)?;
        }
        if self.json.ends_with(',') {
            self.json.pop();
        }
        self.json.push(']');
        Ok(())
    }

    fn items(&mut self, items: &'static [shape::Item]) -> Result<(), SbomError> {
        self.deeper()?;
        loop {
            match self.next()? {
                Next::End => break,
                Next::Text(_) => {}
                Next::Element(start, empty) => self.item(items, &start, empty)?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn item(
        &mut self,
        items: &'static [shape::Item],
        start: &BytesStart<'_>,
        empty: bool,
    ) -> Result<(), SbomError> {
        let name = start.local_name();
        let name = name.as_ref();
        let Some((_, within, node)) = items.iter().find(|(element, ..)| *element == name) else {
            return if empty { Ok(()) } else { self.skip() };
        };
        if node.transparent {
            return if empty { Ok(()) } else { self.items(items) };
        }
        if let Some(within) = within {
            self.json.push('{');
            self.quoted(within);
            self.json.push(':');
        }
        self.node(node, start, empty, Body::Whole)?;
        if within.is_some() {
            self.json.push('}');
        }
        self.json.push(',');
        Ok(())
    }

    /// `tools`: a list of tools until 1.4, lists of components and services since.
    fn either(
        &mut self,
        lists: &'static Node,
        items: &'static [shape::Item],
        empty: bool,
    ) -> Result<(), SbomError> {
        let at = self.json.len();
        self.json.push('[');
        let mut seen = Vec::new();
        let mut grouped = false;
        while let Some(next) = self.next_in(empty)? {
            match next {
                Next::End => break,
                Next::Text(_) => {}
                Next::Element(start, empty) => {
                    let name = start.local_name();
                    let name = name.as_ref();
                    if lists.children.iter().any(|(element, ..)| *element == name) {
                        grouped = true;
                        self.child(lists, &start, empty, &mut seen, &mut String::new())?;
                    } else {
                        self.item(items, &start, empty)?;
                    }
                }
            }
        }
        if self.json.ends_with(',') {
            self.json.pop();
        }
        if grouped {
            self.json.replace_range(at..=at, "{");
        }
        self.json.push(if grouped { '}' } else { ']' });
        Ok(())
    }

    /// Begins a member; one that is there already is an element too many.
    fn member(
        &mut self,
        member: &'static str,
        seen: &mut Vec<&'static str>,
    ) -> Result<(), SbomError> {
        if seen.contains(&member) {
            return Err(malformed(format_args!("{member} stands twice where it may stand once")));
        }
        seen.push(member);
        if !self.json.ends_with(['{', '[', ',']) {
            self.json.push(',');
        }
        self.quoted(member);
        self.json.push(':');
        Ok(())
    }

    fn quoted(&mut self, text: &str) {
        self.json.push_str(&serde_json::Value::from(text).to_string());
    }
}

fn doctype() -> SbomError {
    malformed("it has a document type definition, which is not read")
}

/// One of the five entities of XML, or a character by its number.
fn reference<'t>(entity: &BytesRef<'_>) -> Result<Cow<'t, str>, SbomError> {
    let number = entity.resolve_char_ref().map_err(malformed)?;
    if let Some(number) = number {
        return Ok(number.to_string().into());
    }
    match quick_xml::escape::resolve_predefined_entity(entity) {
        Some(text) => Ok(text.into()),
        None => Err(malformed(format_args!("the entity &{:.40}; is not read", &**entity))),
    }
}

/// The value of an attribute without a prefix.
fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, SbomError> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(malformed)?;
        if attribute.key.as_ref() == name {
            return quick_xml::escape::unescape(&attribute.value)
                .map(|value| Some(value.trim().to_owned()))
                .map_err(malformed);
        }
    }
    Ok(None)
}

/// The JSON of an integer or boolean of XML Schema, which write one value in several ways (part 2, 3.2.2.1 and 3.3.13.1).
fn literal<'v>(member: &str, text: &'v str) -> Option<&'v str> {
    if member != "version" {
        return match text {
            "true" | "1" => Some("true"),
            "false" | "0" => Some("false"),
            _ => None,
        };
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = (1..16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let short = digits.trim_start_matches('0');
    is_number.then_some(if short.is_empty() { "0" } else { short })
}
