//! The tags of a repository, page by page (distribution, "Listing Tags"; RFC 8288 for `Link`).

use std::collections::{BTreeSet, HashSet};

use reqwest::{
    Method, StatusCode, Url,
    header::{HeaderMap, LINK},
};

use crate::source::{
    error::Cause,
    registry::{
        Registry,
        auth::{Actions, Scope},
        client::{Ask, is_same_origin},
        is_unknown, unexpected,
    },
};

/// How many tags we ask for at a time; registries may give fewer, or more.
const PAGE_SIZE: usize = 1000;
/// Longest page, in bytes.
const MAX_PAGE_LEN: u64 = 16 << 20;
/// Most pages.
const MAX_PAGES: usize = 1000;

/// All tags of a repository (its name with the namespace), in order.
pub(super) async fn list(registry: &Registry, repository: &str) -> Result<Vec<String>, Cause> {
    let scope = Scope {
        repository: repository.to_owned(),
        actions: Actions::Pull,
    };
    let mut target = format!("/v2/{repository}/tags/list?n={PAGE_SIZE}");
    let mut seen = HashSet::new();
    let mut tags = BTreeSet::new();
    for _ in 0..MAX_PAGES {
        let ask = Ask::new(Method::GET, &target);
        let what = "the length of a page of tags in bytes";
        let page = registry
            .inner
            .client
            .document(&ask, &scope, what, MAX_PAGE_LEN)
            .await?;
        match page.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND if is_unknown(&page) => return Err(Cause::UnknownRepository),
            _ => return Err(unexpected(&page)),
        }
        tags.extend(parse(&page.bytes)?);
        let Some(next) = next_page(&page.url, &page.headers)? else {
            return Ok(tags.into_iter().collect());
        };
        target = next.into();
        if !seen.insert(target.clone()) {
            return Err(Cause::Protocol(
                "the pages of tags go round in circles".to_owned(),
            ));
        }
    }
    Err(Cause::TooLarge {
        what: "the number of pages of tags",
        limit: MAX_PAGES as u64,
    })
}

fn parse(bytes: &[u8]) -> Result<Vec<String>, Cause> {
    #[derive(serde::Deserialize)]
    struct Page {
        // Some registries write null for none.
        tags: Option<Vec<String>>,
    }
    let page: Page = serde_json::from_slice(bytes).map_err(|error| Cause::Malformed {
        what: "list of tags",
        text: error.to_string(),
    })?;
    Ok(page.tags.unwrap_or_default())
}

/// Where the next page is. Only the registry itself can have it.
fn next_page(page: &Url, headers: &HeaderMap) -> Result<Option<Url>, Cause> {
    let links = headers
        .get_all(LINK)
        .iter()
        .filter_map(|header| header.to_str().ok());
    let Some(target) = links.flat_map(split_links).find_map(next_target) else {
        return Ok(None);
    };
    let next = page
        .join(target)
        .ok()
        .filter(|next| is_same_origin(next, page));
    let elsewhere =
        || Cause::Protocol(format!("the next page of tags is said to be at {target:?}"));
    next.map(Some).ok_or_else(elsewhere)
}

/// The links of a header: commas separate them, but URLs have commas too.
fn split_links(header: &str) -> impl Iterator<Item = &str> {
    header.split('<').skip(1)
}

/// The target of `…>; rel="next"`.
fn next_target(link: &str) -> Option<&str> {
    let (target, params) = link.split_once('>')?;
    let is_next = params.split([';', ',']).any(|param| {
        let Some((name, value)) = param.split_once('=') else {
            return false;
        };
        let mut relations = value.trim().trim_matches('"').split_ascii_whitespace();
        name.trim().eq_ignore_ascii_case("rel")
            && relations.any(|relation| relation.eq_ignore_ascii_case("next"))
    });
    is_next.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(link: &str) -> Result<Option<String>, Cause> {
        let page = Url::parse("http://registry:5000/v2/a/tags/list?n=2").unwrap();
        let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
        Ok(next_page(&page, &headers)?.map(String::from))
    }

    #[test]
    fn links_are_relative_or_of_the_same_registry() {
        let expected = Ok(Some(
            "http://registry:5000/v2/a/tags/list?last=b&n=2".to_owned(),
        ));
        let good = [
            "</v2/a/tags/list?last=b&n=2>; rel=\"next\"",
            "<list?last=b&n=2>; rel=next",
            "<http://registry:5000/v2/a/tags/list?last=b&n=2>;rel=\"prev next\"",
            "</x,y>; rel=\"prev\", </v2/a/tags/list?last=b&n=2>; title=\"a\"; REL=\"Next\"",
        ];
        for link in good {
            assert_eq!(next(link), expected, "{link}");
        }
        assert_eq!(next("</v2/a>; rel=\"prev\""), Ok(None));
        assert_eq!(next("nonsense"), Ok(None));
        for bad in [
            "<http://other/v2/>; rel=next",
            "<https://registry:5000/>; rel=next",
            "<http://registry/>; rel=next",
        ] {
            assert!(matches!(next(bad), Err(Cause::Protocol(_))), "{bad}");
        }
    }

    #[test]
    fn no_tags_are_an_empty_list() {
        assert_eq!(parse(br#"{"name":"a","tags":null}"#), Ok(vec![]));
        assert_eq!(parse(br#"{"name":"a"}"#), Ok(vec![]));
        assert!(parse(b"<html>").is_err());
    }
}
