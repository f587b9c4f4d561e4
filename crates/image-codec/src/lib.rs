//! The port ImageCodec: sniffing, strict decoding, orientation, downscaling and JPEG encoding
