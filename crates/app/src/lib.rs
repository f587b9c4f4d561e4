//! The image-tagging server: settings, wiring, HTTP and the command line
