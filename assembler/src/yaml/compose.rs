//! From tokens to nodes: the grammar of YAML 1.1, first document only.

use std::{borrow::Cow, collections::HashMap};

use super::{
    Error, Limits, input, resolve,
    scan::Scanner,
    token::{Item, Style, Token},
};

/// What `!!` stands for, unless a directive says otherwise.
const CORE: &str = "tag:yaml.org,2002:";

/// A node, within its [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// A document: nodes that refer to each other. Aliases may form a cycle.
#[derive(Debug, Clone)]
pub struct Document {
    nodes: Vec<Node>,
    root: NodeId,
}

/// A node with the line it begins on.
#[derive(Debug, Clone)]
pub struct Node {
    /// From 1.
    pub line: usize,
    /// The tag in the source, `!!` for the core ones, empty for none.
    pub tag: String,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A text; what it means depends on its tag, its quotes and where it stands.
    Scalar {
        /// The text, quotes and folds removed.
        text: String,
        /// Whether it was written without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<NodeId>),
    /// Keys and values, in order.
    Mapping(Vec<(NodeId, NodeId)>),
    /// Another name of an earlier node, possibly of one it is part of.
    Alias {
        /// The name.
        anchor: String,
        /// The node.
        target: NodeId,
    },
}

impl Document {
    /// Reads the first document of a stream. Something behind it that is no document either is refused.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Document, Error> {
        let chars = input::decode(input, limits)?;
        let mut composer = Composer {
            scanner: Scanner::new(chars, *limits),
            limits: *limits,
            nodes: Vec::new(),
            anchors: HashMap::new(),
            handles: Vec::new(),
        };
        let root = composer.document()?;
        let nodes = composer.nodes;
        Ok(Document { nodes, root })
    }

    /// The topmost node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The tag of a node, its own or the one its text and style imply.
    pub fn tag(&self, id: NodeId) -> Cow<'_, str> {
        let node = self.node(id);
        match &node.kind {
            Kind::Alias { target, .. } => self.tag_of(self.node(*target)),
            _ => self.tag_of(node),
        }
    }

    fn tag_of<'d>(&self, node: &'d Node) -> Cow<'d, str> {
        if !node.tag.is_empty() && node.tag != "!" {
            return Cow::Borrowed(&node.tag);
        }
        match &node.kind {
            Kind::Scalar { text, plain: true } if node.tag.is_empty() => {
                Cow::Borrowed(resolve::plain(text).tag())
            }
            Kind::Scalar { .. } => Cow::Borrowed(resolve::STR),
            Kind::Sequence(_) => Cow::Borrowed(resolve::SEQ),
            Kind::Mapping(_) | Kind::Alias { .. } => Cow::Borrowed(resolve::MAP),
        }
    }
}

/// Whether a block collection may begin here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// As an item of a list or a whole document.
    Block,
    /// As a key or value: a list needs no indentation there.
    BlockPair,
    Flow,
}

struct Composer {
    scanner: Scanner,
    limits: Limits,
    nodes: Vec<Node>,
    anchors: HashMap<String, NodeId>,
    /// Tag handles and what they stand for.
    handles: Vec<(String, String)>,
}

impl Composer {
    fn peek(&mut self) -> Result<&Item, Error> {
        Ok(&self.scanner.peek()?.item)
    }

    fn line(&mut self) -> Result<usize, Error> {
        Ok(self.scanner.peek()?.mark.line)
    }

    fn next(&mut self) -> Result<Token, Error> {
        self.scanner.peek()?;
        Ok(self.scanner.take())
    }

    /// Takes a token if it is this one.
    fn accept(&mut self, item: &Item) -> Result<bool, Error> {
        let found = self.peek()? == item;
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn missing<T>(&mut self, what: &str) -> Result<T, Error> {
        let line = self.line()?;
        Err(Error::syntax(line, format!("did not find expected {what}")))
    }

    fn document(&mut self) -> Result<NodeId, Error> {
        while self.accept(&Item::DocumentEnd)? {}
        if matches!(self.peek()?, Item::StreamEnd) {
            return Err(Error::Empty);
        }
        let bare = !self.directives()?;
        if !self.accept(&Item::DocumentStart)? && !bare {
            return self.missing("<document start>");
        }
        let line = self.line()?;
        let root = match self.peek()? {
            Item::DocumentStart
            | Item::DocumentEnd
            | Item::StreamEnd
            | Item::VersionDirective { .. }
            | Item::TagDirective { .. } => self.empty(line)?,
            _ => self.node(Place::Block, 0)?,
        };
        self.rest()?;
        Ok(root)
    }

    /// What follows is not read, but it must be another document.
    fn rest(&mut self) -> Result<(), Error> {
        match self.peek()? {
            Item::DocumentStart
            | Item::DocumentEnd
            | Item::StreamEnd
            | Item::VersionDirective { .. }
            | Item::TagDirective { .. } => Ok(()),
            _ => self.missing("<document start>"),
        }
    }

    /// Takes directives; tells whether there were any.
    fn directives(&mut self) -> Result<bool, Error> {
        let mut version = false;
        loop {
            let line = self.line()?;
            match self.peek()?.clone() {
                Item::VersionDirective { .. } if version => {
                    return Err(Error::syntax(line, "found duplicate %YAML directive"));
                }
                Item::VersionDirective { major: 1, minor: 1 } => version = true,
                Item::VersionDirective { .. } => {
                    return Err(Error::syntax(line, "found incompatible YAML document"));
                }
                Item::TagDirective { handle, .. }
                    if self.handles.iter().any(|(known, _)| *known == handle) =>
                {
                    return Err(Error::syntax(line, "found duplicate %TAG directive"));
                }
                Item::TagDirective { handle, prefix } => self.handles.push((handle, prefix)),
                _ => break,
            }
            self.next()?;
        }
        let any = version || !self.handles.is_empty();
        self.handles.push(("!".into(), "!".into()));
        self.handles.push(("!!".into(), CORE.into()));
        Ok(any)
    }

    fn add(&mut self, line: usize, tag: String, kind: Kind) -> Result<NodeId, Error> {
        if self.nodes.len() >= self.limits.nodes {
            return Err(Error::TooMany(self.limits.nodes));
        }
        self.nodes.push(Node { line, tag, kind });
        Ok(NodeId(self.nodes.len() - 1))
    }

    fn empty(&mut self, line: usize) -> Result<NodeId, Error> {
        self.scalar(line, String::new(), String::new(), Style::Plain)
    }

    fn scalar(
        &mut self,
        line: usize,
        tag: String,
        text: String,
        style: Style,
    ) -> Result<NodeId, Error> {
        let plain = style == Style::Plain;
        self.add(line, tag, Kind::Scalar { text, plain })
    }

    fn node(&mut self, place: Place, depth: usize) -> Result<NodeId, Error> {
        let mut line = self.line()?;
        if depth > self.limits.depth {
            let limit = self.limits.depth;
            return Err(Error::TooDeep { line, limit });
        }
        if let Item::Alias(anchor) = self.peek()?.clone() {
            self.next()?;
            let Some(target) = self.anchors.get(&anchor).copied() else {
                return Err(Error::syntax(
                    line,
                    format!("unknown anchor '{anchor}' referenced"),
                ));
            };
            return self.add(line, String::new(), Kind::Alias { anchor, target });
        }
        let (anchor, tag) = self.properties()?;
        let bare = anchor.is_none() && tag.is_empty();
        if bare {
            line = self.line()?;
        }
        let item = self.peek()?.clone();
        let opens = match (&item, place) {
            (Item::FlowSequenceStart | Item::FlowMappingStart, _)
            | (
                Item::BlockSequenceStart | Item::BlockMappingStart,
                Place::Block | Place::BlockPair,
            )
            | (Item::BlockEntry, Place::BlockPair) => true,
            (Item::Scalar { .. }, _) => false,
            _ if !bare => false,
            _ => return self.missing("node content"),
        };
        let id = match item {
            Item::Scalar { text, style } => {
                self.next()?;
                self.scalar(line, tag, text, style)?
            }
            // A tag or an anchor alone stands for an empty text.
            _ if !opens => self.scalar(line, tag, String::new(), Style::Plain)?,
            _ => self.add(line, tag, Kind::Sequence(Vec::new()))?,
        };
        // The name is known inside already: a node may contain itself.
        self.anchors.extend(anchor.map(|name| (name, id)));
        if opens {
            self.nodes[id.0].kind = self.collection(depth + 1)?;
        }
        Ok(id)
    }

    /// Takes an anchor and a tag, in any order.
    fn properties(&mut self) -> Result<(Option<String>, String), Error> {
        let mut anchor = None;
        let mut tag = String::new();
        loop {
            let line = self.line()?;
            match self.peek()?.clone() {
                Item::Anchor(name) if anchor.is_none() => anchor = Some(name),
                Item::Tag { handle, suffix } if tag.is_empty() => {
                    tag = self.expand(line, &handle, suffix)?
                }
                _ => return Ok((anchor, tag)),
            }
            self.next()?;
        }
    }

    fn expand(&self, line: usize, handle: &str, suffix: String) -> Result<String, Error> {
        let tag = if handle.is_empty() {
            suffix
        } else {
            let prefix = self
                .handles
                .iter()
                .find(|(known, _)| known == handle)
                .map(|(_, prefix)| prefix);
            let prefix = prefix.ok_or_else(|| Error::syntax(line, "found undefined tag handle"))?;
            prefix.clone() + &suffix
        };
        Ok(match tag.strip_prefix(CORE) {
            Some(core) => format!("!!{core}"),
            None => tag,
        })
    }

    fn collection(&mut self, depth: usize) -> Result<Kind, Error> {
        match self.peek()? {
            Item::BlockEntry => self.indentless_sequence(depth),
            Item::BlockSequenceStart => self.block_sequence(depth),
            Item::BlockMappingStart => self.block_mapping(depth),
            Item::FlowSequenceStart => self.flow_sequence(depth),
            _ => self.flow_mapping(depth),
        }
    }

    fn block_sequence(&mut self, depth: usize) -> Result<Kind, Error> {
        self.next()?;
        let mut items = Vec::new();
        loop {
            let line = self.line()?;
            if self.accept(&Item::BlockEntry)? {
                items.push(match self.peek()? {
                    Item::BlockEntry | Item::BlockEnd => self.empty(line)?,
                    _ => self.node(Place::Block, depth)?,
                });
            } else if self.accept(&Item::BlockEnd)? {
                return Ok(Kind::Sequence(items));
            } else {
                return self.missing("'-' indicator");
            }
        }
    }

    fn indentless_sequence(&mut self, depth: usize) -> Result<Kind, Error> {
        let mut items = Vec::new();
        loop {
            let line = self.line()?;
            if !self.accept(&Item::BlockEntry)? {
                return Ok(Kind::Sequence(items));
            }
            items.push(match self.peek()? {
                Item::BlockEntry | Item::Key | Item::Value | Item::BlockEnd => self.empty(line)?,
                _ => self.node(Place::Block, depth)?,
            });
        }
    }

    fn block_mapping(&mut self, depth: usize) -> Result<Kind, Error> {
        self.next()?;
        let mut pairs = Vec::new();
        loop {
            let line = self.line()?;
            let key = if self.accept(&Item::Key)? {
                self.block_part(line, depth)?
            } else if self.accept(&Item::BlockEnd)? {
                return Ok(Kind::Mapping(pairs));
            } else {
                return self.missing("key");
            };
            let line = self.line()?;
            let value = if self.accept(&Item::Value)? {
                self.block_part(line, depth)?
            } else {
                self.empty(line)?
            };
            pairs.push((key, value));
        }
    }

    /// What stands behind `?` or `:`.
    fn block_part(&mut self, line: usize, depth: usize) -> Result<NodeId, Error> {
        match self.peek()? {
            Item::Key | Item::Value | Item::BlockEnd => self.empty(line),
            _ => self.node(Place::BlockPair, depth),
        }
    }

    fn flow_sequence(&mut self, depth: usize) -> Result<Kind, Error> {
        self.next()?;
        let mut items = Vec::new();
        while !self.accept(&Item::FlowSequenceEnd)? {
            if !items.is_empty() {
                if !self.accept(&Item::FlowEntry)? {
                    return self.missing("',' or ']'");
                }
                if self.accept(&Item::FlowSequenceEnd)? {
                    break;
                }
            }
            let line = self.line()?;
            items.push(if self.accept(&Item::Key)? {
                self.flow_pair(line, depth)?
            } else {
                self.node(Place::Flow, depth)?
            });
        }
        Ok(Kind::Sequence(items))
    }

    /// A map of one pair as an item of a list: `[a: b]`.
    fn flow_pair(&mut self, line: usize, depth: usize) -> Result<NodeId, Error> {
        let id = self.add(line, String::new(), Kind::Mapping(Vec::new()))?;
        let key = self.flow_part(
            &[Item::Value, Item::FlowEntry, Item::FlowSequenceEnd],
            depth,
        )?;
        let value = self.flow_value(&[Item::FlowEntry, Item::FlowSequenceEnd], depth)?;
        self.nodes[id.0].kind = Kind::Mapping(vec![(key, value)]);
        Ok(id)
    }

    fn flow_mapping(&mut self, depth: usize) -> Result<Kind, Error> {
        const AFTER_VALUE: [Item; 2] = [Item::FlowEntry, Item::FlowMappingEnd];
        const AFTER_KEY: [Item; 3] = [Item::Value, Item::FlowEntry, Item::FlowMappingEnd];
        self.next()?;
        let mut pairs = Vec::new();
        while !self.accept(&Item::FlowMappingEnd)? {
            if !pairs.is_empty() {
                if !self.accept(&Item::FlowEntry)? {
                    return self.missing("',' or '}'");
                }
                if self.accept(&Item::FlowMappingEnd)? {
                    break;
                }
            }
            pairs.push(if self.accept(&Item::Key)? {
                let key = self.flow_part(&AFTER_KEY, depth)?;
                (key, self.flow_value(&AFTER_VALUE, depth)?)
            } else {
                let key = self.node(Place::Flow, depth)?;
                let line = self.line()?;
                (key, self.empty(line)?)
            });
        }
        Ok(Kind::Mapping(pairs))
    }

    fn flow_value(&mut self, ends: &[Item], depth: usize) -> Result<NodeId, Error> {
        if self.accept(&Item::Value)? {
            return self.flow_part(ends, depth);
        }
        let line = self.line()?;
        self.empty(line)
    }

    /// A node, or an empty text if one of `ends` is next.
    fn flow_part(&mut self, ends: &[Item], depth: usize) -> Result<NodeId, Error> {
        let line = self.line()?;
        if ends.contains(self.peek()?) {
            return self.empty(line);
        }
        self.node(Place::Flow, depth)
    }
}
