//! The port TagProvider over Imagga
