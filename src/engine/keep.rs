//! A rebuilt image that is kept, as an OCI image layout that other tools read.
//!
//! Turns the image that a comparison was made with into an entry of a layout. Its bytes are those that were compared: documents
//! that were parsed, and layers that are hashed again while they are written. That it cannot be kept changes nothing of what the rebuild
//! says; whoever asked for it is told.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::{
    image::{Image, Platform},
    limits::Limits,
    source::{self, SourceError, images::StoredLayers},
};

/// Where rebuilt images are kept, and what came of it.
#[derive(Debug)]
pub struct Keep {
    folder: PathBuf,
    tag: String,
    naming: Naming,
    limits: Limits,
    outcomes: Mutex<Vec<Outcome>>,
}

/// What the tag of a kept image is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The tag alone: there is one image.
    Tag,
    /// The tag and the platform.
    TagAndPlatform,
}

/// What became of one image: where it is, or why it is nowhere.
pub type Outcome = Result<String, String>;

impl Keep {
    /// Images go into this folder, under this tag.
    ///
    /// # Errors
    /// Where the folder holds something that is no layout.
    pub fn new(
        folder: &Path,
        tag: &str,
        naming: Naming,
        limits: &Limits,
    ) -> Result<Self, SourceError> {
        source::writable_layout(folder, limits)?;
        Ok(Self {
            folder: folder.to_owned(),
            tag: tag.to_owned(),
            naming,
            limits: limits.clone(),
            outcomes: Mutex::default(),
        })
    }

    /// Keeps an image.
    pub(super) async fn image(&self, image: &Image, layers: &StoredLayers) {
        let tag = self.tag_for(&image.platform);
        let reference = format!("oci:{}:{tag}", self.folder.display());
        let (folder, limits) = (self.folder.clone(), self.limits.clone());
        let (image, layers) = (image.clone(), layers.0.clone());
        let writing = tokio::task::spawn_blocking(move || {
            source::write_copy(&folder, &image, &layers, &tag, &limits)
        });
        let written = match writing.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(ended) => Err(ended.to_string()),
        };
        if let Ok(mut outcomes) = self.outcomes.lock() {
            outcomes.push(written.map(|()| reference));
        }
    }

    /// What became of the images so far; each is told once.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.outcomes.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default()
    }

    /// The platform is the image's own word: nothing of it is more than a part of a name.
    fn tag_for(&self, platform: &Platform) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        match self.naming {
            Naming::Tag => self.tag.clone(),
            Naming::TagAndPlatform => {
                let platform: String = platform.to_string().chars().map(safe).collect();
                format!("{}-{platform}", self.tag)
            }
        }
    }
}
