//! Strict stand-ins for ImageKit and Imagga that speak HTTP
