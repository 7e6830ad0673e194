//! What the registry holds, and how it answers for it.

use super::*;

impl Repository {
    pub(super) fn manifest(&self, which: &str) -> Option<(String, String, Vec<u8>)> {
        let digest = self.tags.get(which).map_or(which, String::as_str);
        let (media_type, bytes) = self.manifests.get(digest)?;
        Some((digest.to_owned(), media_type.clone(), bytes.clone()))
    }
}

impl State {
    /// The scopes that a request needs.
    pub(super) fn needs(request: &Request, name: &str, query: &str) -> Vec<String> {
        let writes = !matches!(request.method.as_str(), "GET" | "HEAD") || request.path.contains("/uploads/");
        let mut needs = vec![format!("repository:{name}:{}", if writes { "push" } else { "pull" })];
        needs.extend(parameter(query, "from").map(|from| format!("repository:{from}:pull")));
        needs
    }

    pub(super) fn refuse(&mut self, request: &Request, name: &str, query: &str) -> Option<Answer> {
        let said = request.headers.get("authorization").map(String::as_str);
        if let Some(tokens) = &mut self.tokens {
            let needs = Self::needs(request, name, query);
            let known =
                said.and_then(|said| said.strip_prefix("Bearer ")).and_then(|token| tokens.given.get_mut(token));
            if let Some((scopes, uses)) = known
                && *uses > 0
                && (name.is_empty() || needs.iter().all(|need| scopes.contains(need)))
            {
                *uses -= 1;
                return None;
            }
            let wanted = format!("Bearer realm=\"{}\",service=\"test\",scope=\"{}\"", tokens.realm, needs[0]);
            return Some(Answer::error(401, "UNAUTHORIZED", "a token is needed").with("WWW-Authenticate", wanted));
        }
        let login = self.login.as_ref()?;
        let expected = basic(&login.0, &login.1);
        (said != Some(expected.as_str())).then(|| {
            Answer::error(401, "UNAUTHORIZED", "a login is needed").with("WWW-Authenticate", "Basic realm=\"test\"")
        })
    }

    pub(super) fn give_token(&mut self, request: &Request, query: &str) -> Answer {
        let Some(tokens) = &mut self.tokens else { return Answer::new(404) };
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let (scopes, is_known) = if request.method == "POST" {
            let scopes = parameter(&form, "scope").unwrap_or_default();
            let token = parameter(&form, "refresh_token");
            (scopes, tokens.identity.is_some() && token == tokens.identity)
        } else {
            let scopes: Vec<String> = query.split('&').filter_map(|pair| parameter(pair, "scope")).collect();
            let said = request.headers.get("authorization").cloned();
            let is_known = match &self.login {
                Some((user, password)) => said == Some(basic(user, password)),
                None => tokens.identity.is_none(),
            };
            (scopes.join(" "), is_known)
        };
        if !is_known {
            return Answer::error(401, "UNAUTHORIZED", "the token server does not know you");
        }
        let each = scopes.split(' ').filter_map(|scope| scope.rsplit_once(':'));
        let scopes = each.flat_map(|(name, actions)| actions.split(',').map(move |action| format!("{name}:{action}")));
        self.next += 1;
        let token = format!("token-{}", self.next);
        tokens.given.insert(token.clone(), (scopes.collect(), tokens.uses));
        let body = json!({ "token": token, "expires_in": 300 });
        Answer::new(200).body(serde_json::to_vec(&body).unwrap())
    }

    pub(super) fn manifest(&self, name: &str, which: &str) -> Answer {
        let found = self.repositories.get(name).and_then(|repository| repository.manifest(which));
        match found {
            Some((digest, media_type, bytes)) => {
                Answer::new(200).with("Content-Type", media_type).with("Docker-Content-Digest", digest).body(bytes)
            }
            None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        }
    }

    pub(super) fn put_manifest(&mut self, name: &str, which: &str, request: &Request) -> Answer {
        let digest = Digest::of(&request.body).to_string();
        let document: Value = serde_json::from_slice(&request.body).unwrap();
        let repository = self.repositories.entry(name.to_owned()).or_default();
        let blobs = document["layers"].as_array().into_iter().flatten().chain(document.get("config"));
        let missing = blobs.filter(|blob| !repository.blobs.contains_key(blob["digest"].as_str().unwrap())).count();
        let children = document["manifests"].as_array().into_iter().flatten();
        let unknown = children.filter(|child| !repository.manifests.contains_key(child["digest"].as_str().unwrap()));
        if missing + unknown.count() > 0 {
            return Answer::error(404, "MANIFEST_BLOB_UNKNOWN", "what it names is not here");
        }
        if which.starts_with("sha256:") && which != digest {
            return Answer::error(400, "DIGEST_INVALID", "another digest");
        }
        if !which.starts_with("sha256:") {
            repository.tags.insert(which.to_owned(), digest.clone());
        }
        repository.manifests.insert(digest.clone(), (request.headers["content-type"].clone(), request.body.clone()));
        let answer = Answer::new(201).with("Location", format!("/v2/{name}/manifests/{digest}"));
        match document["subject"]["digest"].as_str() {
            Some(subject) if self.has_referrers => answer.with("OCI-Subject", subject),
            _ => answer,
        }
    }

    pub(super) fn begin(&mut self, name: &str, query: &str) -> Answer {
        if let (Some(digest), Some(from)) = (parameter(query, "mount"), parameter(query, "from"))
            && let Some(bytes) = self.repositories.get(&from).and_then(|from| from.blobs.get(&digest)).cloned()
        {
            self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone(), bytes);
            return Answer::new(201).with("Location", format!("/v2/{name}/blobs/{digest}"));
        }
        self.next += 1;
        let id = self.next.to_string();
        self.uploads.insert(id.clone(), Vec::new());
        Answer::new(202).with("Location", format!("/v2/{name}/blobs/uploads/{id}"))
    }

    pub(super) fn upload(&mut self, name: &str, id: &str, query: &str, request: &Request) -> Answer {
        let Some(upload) = self.uploads.get_mut(id) else {
            return Answer::error(404, "BLOB_UPLOAD_UNKNOWN", "upload unknown");
        };
        if let Some(range) = request.headers.get("content-range") {
            let start = range.split('-').next().and_then(|start| start.parse().ok());
            if start != Some(upload.len()) {
                return Answer::error(416, "BLOB_UPLOAD_INVALID", "another part was expected");
            }
        }
        upload.extend(&request.body);
        let arrived = format!("0-{}", upload.len().saturating_sub(1));
        match request.method.as_str() {
            "DELETE" => {
                self.uploads.remove(id);
                Answer::new(204)
            }
            "PUT" => {
                let digest = Digest::of(upload).to_string();
                let upload = self.uploads.remove(id).unwrap();
                if parameter(query, "digest").as_deref() != Some(&digest) {
                    return Answer::error(400, "DIGEST_INVALID", "another digest");
                }
                self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone(), upload);
                Answer::new(201).with("Location", format!("/v2/{name}/blobs/{digest}"))
            }
            method => {
                let status = if method == "GET" { 204 } else { 202 };
                Answer::new(status).with("Location", request.path.clone()).with("Range", arrived)
            }
        }
    }

    pub(super) fn blob(&self, name: &str, digest: &str, request: &Request) -> Answer {
        let Some(bytes) = self.repositories.get(name).and_then(|repository| repository.blobs.get(digest)) else {
            return Answer::error(404, "BLOB_UNKNOWN", "blob unknown");
        };
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        match range.and_then(|start| start.parse::<usize>().ok()) {
            Some(start) if start < bytes.len() => Answer::new(206)
                .with("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()))
                .body(bytes[start..].to_vec()),
            Some(_) => Answer::new(416),
            None => Answer::new(200).body(bytes.clone()),
        }
    }

    pub(super) fn referrers(&self, name: &str, subject: &str) -> Answer {
        let empty = BTreeMap::new();
        let manifests = self.repositories.get(name).map_or(&empty, |repository| &repository.manifests);
        let refers = |(digest, (media_type, bytes)): (&String, &(String, Vec<u8>))| {
            let document: Value = serde_json::from_slice(bytes).ok()?;
            (document["subject"]["digest"] == subject).then(|| {
                let kind = document.get("artifactType").unwrap_or(&document["config"]["mediaType"]).clone();
                json!({ "mediaType": media_type, "digest": digest, "size": bytes.len(), "artifactType": kind })
            })
        };
        let found: Vec<Value> = manifests.iter().filter_map(refers).collect();
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": found });
        Answer::new(200).with("Content-Type", kind).body(serde_json::to_vec(&index).unwrap())
    }
}
