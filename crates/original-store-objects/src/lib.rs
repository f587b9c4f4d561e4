//! The port OriginalStore over object_store: a folder or an S3 bucket
