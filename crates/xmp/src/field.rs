//! The properties that have to do with keywords, and their namespaces.

/// A namespace that is recognised, by its URI alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Rdf,
    DublinCore,
    Lightroom,
    DigiKam,
    Own,
}

impl Space {
    pub(crate) const ALL: [Self; 5] = [
        Self::Rdf,
        Self::DublinCore,
        Self::Lightroom,
        Self::DigiKam,
        Self::Own,
    ];

    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Rdf => "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            Self::DublinCore => "http://purl.org/dc/elements/1.1/",
            Self::Lightroom => "http://ns.adobe.com/lightroom/1.0/",
            Self::DigiKam => "http://www.digikam.org/ns/1.0/",
            Self::Own => "etiqueta:ns:sidecar:1.0/",
        }
    }

    /// The prefix that is usual for it.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Rdf => "rdf",
            Self::DublinCore => "dc",
            Self::Lightroom => "lr",
            Self::DigiKam => "digiKam",
            Self::Own => "etiqueta",
        }
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.uri() == uri)
    }
}

/// A property with keywords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Names, without their hierarchy.
    Subject,
    /// Names from the root on, with `|` between them.
    Hierarchical,
    /// Names from the root on, with `/` between them.
    TagsList,
    /// What Etiqueta added to `Subject`.
    WroteSubject,
    /// What Etiqueta added to `Hierarchical`.
    WroteHierarchical,
    /// What Etiqueta added to `TagsList`.
    WroteTagsList,
    /// The tags that Etiqueta wrote: `SOURCE CONFIDENCE LABEL`.
    Tags,
}

impl Field {
    /// Each field of other programs, with the one that notes what was added to it.
    pub(crate) const SHARED: [(Self, Self); 3] = [
        (Self::Subject, Self::WroteSubject),
        (Self::Hierarchical, Self::WroteHierarchical),
        (Self::TagsList, Self::WroteTagsList),
    ];

    const ALL: [Self; 7] = [
        Self::Subject,
        Self::Hierarchical,
        Self::TagsList,
        Self::WroteSubject,
        Self::WroteHierarchical,
        Self::WroteTagsList,
        Self::Tags,
    ];

    pub(crate) fn space(self) -> Space {
        match self {
            Self::Subject => Space::DublinCore,
            Self::Hierarchical => Space::Lightroom,
            Self::TagsList => Space::DigiKam,
            Self::WroteSubject | Self::WroteHierarchical | Self::WroteTagsList | Self::Tags => {
                Space::Own
            }
        }
    }

    /// Its name in its namespace. Own names differ from those of other programs: there are readers that look at names
    /// alone.
    pub(crate) fn local_name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Hierarchical => "hierarchicalSubject",
            Self::TagsList => "TagsList",
            Self::WroteSubject => "WroteSubject",
            Self::WroteHierarchical => "WroteHierarchicalSubject",
            Self::WroteTagsList => "WroteTagsList",
            Self::Tags => "WroteTags",
        }
    }

    /// Its name as it is usually written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Subject => "dc:subject",
            Self::Hierarchical => "lr:hierarchicalSubject",
            Self::TagsList => "digiKam:TagsList",
            Self::WroteSubject => "etiqueta:WroteSubject",
            Self::WroteHierarchical => "etiqueta:WroteHierarchicalSubject",
            Self::WroteTagsList => "etiqueta:WroteTagsList",
            Self::Tags => "etiqueta:WroteTags",
        }
    }

    /// The kind of array that it is.
    pub(crate) fn array(self) -> &'static str {
        match self {
            Self::TagsList => "Seq",
            _ => "Bag",
        }
    }

    /// What stands between the names of a hierarchy.
    pub(crate) fn separator(self) -> Option<char> {
        match self {
            Self::Hierarchical => Some('|'),
            Self::TagsList => Some('/'),
            _ => None,
        }
    }

    pub(crate) fn find(space: Space, local_name: &str) -> Option<Self> {
        let is_it = |field: &Self| field.space() == space && field.local_name() == local_name;
        Self::ALL.into_iter().find(is_it)
    }
}
