//! Which element of CycloneDX's XML is which member of its JSON.

/// An element that becomes an object.
pub(super) struct Node {
    /// Attribute, member, and whether its value is a number or boolean.
    pub attributes: &'static [(&'static str, &'static str, bool)],
    /// The member that its text becomes.
    pub text: Option<&'static str>,
    /// Element, member, and what it becomes.
    pub children: &'static [(&'static str, &'static str, Kind)],
    /// Children that stand side by side: element, the member that is the list of them, and the attribute that is the item.
    pub repeated: Option<(&'static str, &'static str, &'static str)>,
    /// Whether elements that are not in the table are told.
    pub closed: bool,
    /// Whether what is in it stands in its place.
    pub transparent: bool,
}

/// An item of a list: element, the member that it stands in within the item, if any, and its form.
pub(super) type Item = (&'static str, Option<&'static str>, &'static Node);

/// What an element becomes.
pub(super) enum Kind {
    /// Its text.
    Text,
    /// An object.
    Node(&'static Node),
    /// A list of what is in it.
    List(&'static [Item]),
    /// An object of lists where these are in it, else a list.
    Either(&'static Node, &'static [Item]),
}

const NODE: Node = Node {
    attributes: &[],
    text: None,
    children: &[],
    repeated: None,
    closed: false,
    transparent: false,
};

pub(super) static BOM: Node = Node {
    attributes: &[("serialNumber", "serialNumber", false), ("version", "version", true)],
    children: &[
        ("metadata", "metadata", Kind::Node(&METADATA)),
        ("components", "components", Kind::List(&COMPONENTS)),
        ("services", "services", Kind::List(&SERVICES)),
        ("externalReferences", "externalReferences", Kind::List(&REFERENCES)),
        ("dependencies", "dependencies", Kind::List(&[("dependency", None, &DEPENDENCY)])),
        ("compositions", "compositions", Kind::List(&[("composition", None, &COMPOSITION)])),
        ("properties", "properties", Kind::List(&PROPERTIES)),
    ],
    ..NODE
};

static METADATA: Node = Node {
    children: &[
        ("timestamp", "timestamp", Kind::Text),
        ("lifecycles", "lifecycles", Kind::List(&[("lifecycle", None, &LIFECYCLE)])),
        ("tools", "tools", Kind::Either(&TOOLS, &[("tool", None, &TOOL)])),
        ("authors", "authors", Kind::List(&AUTHORS)),
        ("component", "component", Kind::Node(&COMPONENT)),
        ("manufacture", "manufacture", Kind::Node(&ENTITY)),
        ("manufacturer", "manufacturer", Kind::Node(&ENTITY)),
        ("supplier", "supplier", Kind::Node(&ENTITY)),
        ("licenses", "licenses", Kind::List(&LICENCES)),
        ("properties", "properties", Kind::List(&PROPERTIES)),
        ("distributionConstraints", "distributionConstraints", Kind::Node(&DISTRIBUTION)),
    ],
    closed: true,
    ..NODE
};

static TOOLS: Node = Node {
    children: &[
        ("components", "components", Kind::List(&COMPONENTS)),
        ("services", "services", Kind::List(&SERVICES)),
    ],
    ..NODE
};

static TOOL: Node =
    Node { children: &[("name", "name", Kind::Text), ("version", "version", Kind::Text)], ..NODE };

static LIFECYCLE: Node =
    Node { children: &[("phase", "phase", Kind::Text), ("name", "name", Kind::Text)], ..NODE };

static ENTITY: Node = Node { children: &[("name", "name", Kind::Text)], ..NODE };

static DISTRIBUTION: Node = Node { children: &[("tlp", "tlp", Kind::Text)], ..NODE };

static AUTHORS: [Item; 1] = [("author", None, &ENTITY)];

static COMPONENTS: [Item; 1] = [("component", None, &COMPONENT)];

static COMPONENT: Node = Node {
    attributes: &[
        ("type", "type", false),
        ("bom-ref", "bom-ref", false),
        ("isExternal", "isExternal", true),
    ],
    children: &[
        ("supplier", "supplier", Kind::Node(&ENTITY)),
        ("manufacturer", "manufacturer", Kind::Node(&ENTITY)),
        ("authors", "authors", Kind::List(&AUTHORS)),
        ("author", "author", Kind::Text),
        ("publisher", "publisher", Kind::Text),
        ("group", "group", Kind::Text),
        ("name", "name", Kind::Text),
        ("version", "version", Kind::Text),
        ("versionRange", "versionRange", Kind::Text),
        ("scope", "scope", Kind::Text),
        ("hashes", "hashes", Kind::List(&HASHES)),
        ("licenses", "licenses", Kind::List(&LICENCES)),
        ("cpe", "cpe", Kind::Text),
        ("purl", "purl", Kind::Text),
        ("swid", "swid", Kind::Node(&SWID)),
        ("pedigree", "pedigree", Kind::Node(&PEDIGREE)),
        ("externalReferences", "externalReferences", Kind::List(&REFERENCES)),
        ("properties", "properties", Kind::List(&PROPERTIES)),
        ("components", "components", Kind::List(&COMPONENTS)),
    ],
    ..NODE
};

static SWID: Node =
    Node { attributes: &[("tagId", "tagId", false), ("name", "name", false)], ..NODE };

static HASHES: [Item; 1] = [("hash", None, &HASH)];

static HASH: Node = Node { attributes: &[("alg", "alg", false)], text: Some("content"), ..NODE };

static LICENCES: [Item; 3] = [
    ("license", Some("license"), &LICENCE),
    ("expression", None, &EXPRESSION),
    ("expression-detailed", None, &DETAILED),
];

static LICENCE: Node = Node {
    attributes: &[("acknowledgement", "acknowledgement", false)],
    children: &[
        ("id", "id", Kind::Text),
        ("name", "name", Kind::Text),
        ("text", "text", Kind::Node(&ATTACHMENT)),
        ("properties", "properties", Kind::List(&PROPERTIES)),
    ],
    ..NODE
};

static EXPRESSION: Node = Node {
    attributes: &[("acknowledgement", "acknowledgement", false)],
    text: Some("expression"),
    ..NODE
};

/// 1.7: the expression is an attribute, and its parts are explained below.
static DETAILED: Node = Node {
    attributes: &[
        ("acknowledgement", "acknowledgement", false),
        ("expression", "expression", false),
    ],
    ..NODE
};

static ATTACHMENT: Node =
    Node { attributes: &[("encoding", "encoding", false)], text: Some("content"), ..NODE };

static PEDIGREE: Node = Node {
    children: &[
        ("ancestors", "ancestors", Kind::List(&COMPONENTS)),
        ("descendants", "descendants", Kind::List(&COMPONENTS)),
        ("variants", "variants", Kind::List(&COMPONENTS)),
        ("patches", "patches", Kind::List(&[("patch", None, &PATCH)])),
    ],
    ..NODE
};

static PATCH: Node = Node {
    attributes: &[("type", "type", false)],
    children: &[("resolves", "resolves", Kind::List(&[("issue", None, &ISSUE)]))],
    ..NODE
};

static ISSUE: Node = Node { attributes: &[("type", "type", false)], ..NODE };

static REFERENCES: [Item; 1] = [("reference", None, &REFERENCE)];

static REFERENCE: Node = Node {
    attributes: &[("type", "type", false)],
    children: &[("url", "url", Kind::Text), ("hashes", "hashes", Kind::List(&HASHES))],
    ..NODE
};

static PROPERTIES: [Item; 1] = [("property", None, &PROPERTY)];

static PROPERTY: Node =
    Node { attributes: &[("name", "name", false)], text: Some("value"), ..NODE };

static SERVICES: [Item; 1] = [("service", None, &SERVICE)];

static SERVICE: Node = Node {
    attributes: &[("bom-ref", "bom-ref", false)],
    children: &[
        ("name", "name", Kind::Text),
        (
            "data",
            "data",
            Kind::List(&[("classification", None, &CLASSIFICATION), ("dataflow", None, &FLOW)]),
        ),
        ("licenses", "licenses", Kind::List(&LICENCES)),
        ("properties", "properties", Kind::List(&PROPERTIES)),
        ("services", "services", Kind::List(&SERVICES)),
    ],
    ..NODE
};

static CLASSIFICATION: Node =
    Node { attributes: &[("flow", "flow", false)], text: Some("classification"), ..NODE };

/// 1.5 and later: the classification is an element of the flow, and has the direction.
static FLOW: Node = Node { transparent: true, ..NODE };

static DEPENDENCY: Node = Node {
    attributes: &[("ref", "ref", false)],
    repeated: Some(("dependency", "dependsOn", "ref")),
    ..NODE
};

static COMPOSITION: Node = Node { children: &[("aggregate", "aggregate", Kind::Text)], ..NODE };
