//! Nodes that refer to each other, with the lines they were written on.

use super::resolve;

/// A node, within its [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) usize);

/// A document: nodes that refer to each other. Aliases may form a cycle.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
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

impl Node {
    fn tag(&self) -> &str {
        if !self.tag.is_empty() && self.tag != "!" {
            return &self.tag;
        }
        match &self.kind {
            Kind::Scalar { text, plain: true } if self.tag.is_empty() => resolve::plain(text).tag(),
            Kind::Scalar { .. } => resolve::STR,
            Kind::Sequence(_) => resolve::SEQ,
            Kind::Mapping(_) | Kind::Alias { .. } => resolve::MAP,
        }
    }
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
    /// The topmost node.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The tag of a node, its own or the one its text and style imply.
    pub fn tag(&self, id: NodeId) -> &str {
        let node = self.node(id);
        match &node.kind {
            Kind::Alias { target, .. } => self.node(*target).tag(),
            _ => node.tag(),
        }
    }
}
