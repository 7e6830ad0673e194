//! A file whose digest nobody knows yet: what resolving a recipe that names an address begins with.

use std::io::Write;

use reqwest::Url;

use crate::http::client::Client;
use crate::http::location::Location;
use crate::http::stop::Stop;
use crate::http::{Http, HttpError, file, without_secrets};
use crate::store::{Blob, BlobWriter, Store};

impl Http {
    /// The file at `url`, at most `limit` bytes of it, in the store. Whoever asks compares its digest, or is the first to
    /// write it down. `on_bytes` is told of bytes as they arrive.
    pub fn download_unknown(
        &self,
        url: &str,
        limit: u64,
        store: &Store,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Blob, HttpError> {
        let location = Location::parse(url)?;
        let stop = Stop::new();
        let what = without_secrets(url);
        let candidates = std::slice::from_ref(&location);
        self.candidates.first_good(&self.options, candidates, &what, &stop, |location| {
            let mut writer = Received { writer: store.begin()?, store, limit, size: 0, url: &what, on_bytes };
            match location {
                Location::File(path) => file::each_chunk(path, |chunk| writer.take(chunk))?,
                Location::Web(url) => {
                    let client = self.client(&what)?;
                    client.run(&stop, receive(&client, url, &mut writer))?;
                }
            }
            Ok(writer.writer.commit()?)
        })
    }
}

struct Received<'a> {
    writer: BlobWriter,
    store: &'a Store,
    limit: u64,
    size: u64,
    url: &'a str,
    on_bytes: &'a (dyn Fn(u64) + Sync),
}

impl Received<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), HttpError> {
        self.size += chunk.len() as u64;
        if self.size > self.limit {
            return Err(HttpError::TooLong { url: self.url.to_owned(), limit: self.limit });
        }
        self.writer.write_all(chunk).map_err(|source| self.store.cannot("write a download", source))?;
        (self.on_bytes)(chunk.len() as u64);
        Ok(())
    }
}

async fn receive(client: &Client, url: &Url, received: &mut Received<'_>) -> Result<(), HttpError> {
    let mut body = client.open(url, 0).await?;
    while let Some(chunk) = body.chunk().await? {
        received.take(chunk.as_ref())?;
    }
    Ok(())
}
