//! The files of `ui/`.

/// The page, with placeholders for the paths of its files.
pub(crate) const PAGE: &str = include_str!("../ui/index.html");

macro_rules! sources {
    ($($path:literal,)*) => {
        &[$(($path, include_bytes!(concat!("../ui/", $path)) as &[u8]),)*]
    };
}

/// All other files: path below `ui/`, bytes.
pub(crate) static SOURCES: &[(&str, &[u8])] = sources![
    "api.js",
    "changedialog.js",
    "changes.js",
    "deletions.js",
    "details.js",
    "dialog.js",
    "early.js",
    "errors.js",
    "facts.js",
    "files.js",
    "focus.js",
    "grid.js",
    "histogram.js",
    "html.js",
    "i18n.js",
    "icon.svg",
    "icons.js",
    "jobs.js",
    "jobsview.js",
    "jobwords.js",
    "labels.js",
    "layout.js",
    "main.js",
    "many.js",
    "notices.js",
    "photos.js",
    "picture.js",
    "pool.js",
    "preferences.js",
    "route.js",
    "rules.js",
    "search.js",
    "selectionbar.js",
    "settings.js",
    "store.js",
    "style.css",
    "suggest.js",
    "tagfield.js",
    "tags.js",
    "terms.js",
    "text/en.json",
    "text/es.json",
    "timeline.js",
    "uploadpanel.js",
    "uploads.js",
    "vendor/LICENSE-htm",
    "vendor/LICENSE-preact",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
    "viewer.js",
    "viewport.js",
];
