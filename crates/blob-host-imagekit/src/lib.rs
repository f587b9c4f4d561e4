//! The port BlobHost over ImageKit
