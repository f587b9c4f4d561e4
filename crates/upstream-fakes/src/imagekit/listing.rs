//! `GET /v1/files`.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::clock;
use crate::imagekit::errors::{self, ApiError};
use crate::imagekit::library::File;
use crate::imagekit::search::Search;
use crate::imagekit::upload::clean_folder;

/// The largest page, and the default.
const MOST: usize = 1000;

/// The parameters of a list.
#[derive(Debug)]
pub(crate) struct Listing {
    limit: usize,
    skip: usize,
    order: Order,
    folder: Option<String>,
    file_type: FileType,
    tags: Option<Vec<String>>,
    name: Option<String>,
    files_wanted: bool,
    search: Option<Search>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileType {
    All,
    Image,
    NonImage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    field: Field,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Created,
    Updated,
    Height,
    Width,
    Size,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            limit: MOST,
            skip: 0,
            order: Order {
                field: Field::Created,
                descending: false,
            },
            folder: None,
            file_type: FileType::All,
            tags: None,
            name: None,
            files_wanted: true,
            search: None,
        }
    }
}

impl Listing {
    pub(crate) fn read(call: &Call) -> Result<Self, ApiError> {
        let mut listing = Self::default();
        for parameter in call.parameters() {
            listing.set(&parameter.name, &parameter.value)?;
        }
        // The documentation says that a search makes these three ineffective.
        if listing.search.is_some() {
            listing.tags = None;
            listing.name = None;
            listing.files_wanted = true;
        }
        Ok(listing)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), ApiError> {
        let invalid = errors::INVALID_LISTING;
        match name {
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit));
                self.limit = limit.ok_or(invalid)?;
            }
            "skip" => self.skip = value.parse().map_err(|_| invalid)?,
            "sort" => self.order = Order::parse(value).ok_or(invalid)?,
            "path" => self.folder = Some(clean_folder(value).ok_or(invalid)?),
            "fileType" => self.file_type = FileType::parse(value).ok_or(invalid)?,
            "type" => self.files_wanted = files_wanted(value).ok_or(invalid)?,
            "tags" => self.tags = Some(value.split(',').map(|tag| tag.trim().to_owned()).collect()),
            "name" => self.name = Some(value.to_owned()),
            "searchQuery" => {
                self.search = Some(Search::parse(value).ok_or(errors::INVALID_SEARCH)?);
            }
            _ => return Err(errors::UNKNOWN_PARAMETER),
        }
        Ok(())
    }

    pub(crate) fn answer(&self, files: Vec<&File>, root: &str) -> Reply {
        let mut files: Vec<_> = files
            .into_iter()
            .filter(|file| self.matches(file))
            .collect();
        files.sort_by(|left, right| self.order.compare(left, right));
        let page = files.into_iter().skip(self.skip).take(self.limit);
        let page: Vec<_> = page.map(|file| details(file, root)).collect();
        Reply::json(StatusCode::OK, &Value::Array(page))
    }

    fn matches(&self, file: &File) -> bool {
        let tagged = |wanted: &Vec<String>| {
            file.tags
                .as_ref()
                .is_some_and(|tags| tags.iter().any(|tag| wanted.contains(tag)))
        };
        self.files_wanted
            && self
                .folder
                .as_ref()
                .is_none_or(|folder| *folder == file.folder)
            && self.file_type.matches(file)
            && self.name.as_ref().is_none_or(|name| *name == file.name)
            && self.tags.as_ref().is_none_or(tagged)
            && self
                .search
                .as_ref()
                .is_none_or(|search| search.matches(file))
    }
}

impl FileType {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "all" => Some(Self::All),
            "image" => Some(Self::Image),
            "non-image" => Some(Self::NonImage),
            _ => None,
        }
    }

    fn matches(self, file: &File) -> bool {
        match self {
            Self::All => true,
            Self::Image => file.media_type.is_some(),
            Self::NonImage => file.media_type.is_none(),
        }
    }
}

/// There are no folders and no older versions to list.
fn files_wanted(value: &str) -> Option<bool> {
    match value {
        "file" | "all" => Some(true),
        "folder" | "file-version" => Some(false),
        _ => None,
    }
}

impl Order {
    fn parse(value: &str) -> Option<Self> {
        let (direction, field) = value.split_once('_')?;
        let field = match field {
            "NAME" => Field::Name,
            "CREATED" => Field::Created,
            "UPDATED" => Field::Updated,
            "HEIGHT" => Field::Height,
            "WIDTH" => Field::Width,
            "SIZE" => Field::Size,
            _ => return None,
        };
        match direction {
            "ASC" => Some(Self {
                field,
                descending: false,
            }),
            "DESC" => Some(Self {
                field,
                descending: true,
            }),
            _ => None,
        }
    }

    /// Equal ones keep the order of upload.
    fn compare(self, left: &File, right: &File) -> std::cmp::Ordering {
        let order = match self.field {
            Field::Name => left.name.cmp(&right.name),
            Field::Created => left.created_at.cmp(&right.created_at),
            Field::Updated => left.updated_at.cmp(&right.updated_at),
            Field::Height => left
                .dimensions
                .map(|d| d.1)
                .cmp(&right.dimensions.map(|d| d.1)),
            Field::Width => left
                .dimensions
                .map(|d| d.0)
                .cmp(&right.dimensions.map(|d| d.0)),
            Field::Size => left.bytes.len().cmp(&right.bytes.len()),
        };
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

/// Everything that the service reports about a file.
pub(crate) fn details(file: &File, root: &str) -> Value {
    let path = file.path();
    let (width, height) = file.dimensions.unwrap_or_default();
    json!({
        "type": "file",
        "name": file.name,
        "createdAt": clock::iso(file.created_at),
        "updatedAt": clock::iso(file.updated_at),
        "fileId": file.id,
        "tags": file.tags,
        "AITags": null,
        "versionInfo": { "id": file.id, "name": "Version 1" },
        "embeddedMetadata": {},
        "isPublished": file.published,
        "customCoordinates": null,
        "customMetadata": {},
        "isPrivateFile": file.private,
        "url": format!("{root}{path}"),
        "thumbnail": format!("{root}/tr:n-ik_ml_thumbnail{path}"),
        "fileType": file.file_type(),
        "filePath": path,
        "height": height,
        "width": width,
        "size": file.bytes.len(),
        "hasAlpha": false,
        "mime": file.media_type.unwrap_or("application/octet-stream"),
    })
}
