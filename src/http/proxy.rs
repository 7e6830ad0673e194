//! Which proxy serves which address: as curl knows it from the environment, and apt from its configuration.

use std::net::IpAddr;

use reqwest::Url;

use crate::http::AptProxies;

/// The proxies of a machine. apt's come first, then the environment's; `no_proxy` is above both.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// For `http` addresses: `http_proxy`.
    pub http: Option<String>,
    /// For `https` addresses: `https_proxy`, else `all_proxy`.
    pub https: Option<String>,
    /// Hosts that are reached directly: `no_proxy`, a list of names (their subdomains included), addresses, networks
    /// as `10.0.0.0/8`, or `*`.
    pub no_proxy: String,
    /// What apt is told on this machine.
    pub apt: AptProxies,
}

impl Proxies {
    /// The proxy for `url`, where it is not reached directly. What is no address of a proxy counts as none.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<Url> {
        let host = url.host_str()?;
        if self.no_proxy.split([',', ' ']).any(|pattern| matches(pattern, host, url.port_or_known_default())) {
            return None;
        }
        let of_environment = || if url.scheme() == "https" { self.https.as_deref() } else { self.http.as_deref() };
        let proxy = match self.apt.proxy_for(url.scheme(), host) {
            Some(proxy) => Some(proxy),
            None => of_environment(),
        };
        let proxy = proxy.filter(|proxy| !proxy.is_empty() && !proxy.eq_ignore_ascii_case("DIRECT"))?;
        let address = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
        address.parse().ok()
    }
}

/// Whether `pattern` of a `no_proxy` list names `host`.
fn matches(pattern: &str, host: &str, port: Option<u16>) -> bool {
    let pattern = pattern.trim();
    if pattern == "*" {
        return true;
    }
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    if let Some(address) = address {
        return match pattern.split_once('/') {
            Some((network, bits)) => match (network.parse(), bits.parse()) {
                (Ok(network), Ok(bits)) => within(address, network, bits),
                _ => false,
            },
            None => pattern.trim_matches(['[', ']']).parse() == Ok(address) || pattern == with_port(host, port),
        };
    }
    let name = pattern.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
    let ends = |host: &str| host == name || host.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    !name.is_empty() && (ends(&host) || ends(&with_port(&host, port)))
}

fn with_port(host: &str, port: Option<u16>) -> String {
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            (u32::from(address) ^ u32::from(network)).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            (u128::from(address) ^ u128::from(network)).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(proxies: &Proxies, url: &str) -> Option<String> {
        proxies.proxy_for(&url.parse().unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn each_scheme_has_its_own() {
        let proxies = Proxies { http: Some("proxy.example:3128".into()), ..Proxies::default() };
        assert_eq!(chosen(&proxies, "http://a.example/"), Some("http://proxy.example:3128/".into()));
        assert_eq!(chosen(&proxies, "https://a.example/"), None);
    }

    #[test]
    fn no_proxy_names_hosts_networks_and_all() {
        let is_direct = |list: &str, url: &str| {
            let proxies =
                Proxies { http: Some("http://p.example".into()), no_proxy: list.into(), ..Proxies::default() };
            chosen(&proxies, url).is_none()
        };
        assert!(is_direct("*", "http://a.example/"));
        assert!(is_direct("x.example, a.example", "http://a.example/"));
        assert!(is_direct(".a.example", "http://b.a.example/"));
        assert!(is_direct("A.Example", "http://b.a.example/"));
        assert!(is_direct("a.example:8080", "http://a.example:8080/"));
        assert!(is_direct("10.0.0.0/8,::1", "http://10.1.2.3/"));
        assert!(is_direct("::1", "http://[::1]/"));
        assert!(is_direct("0.0.0.0/0", "http://10.1.2.3/"));
        for (list, url) in [
            ("", "http://a.example/"),
            ("a.example", "http://ba.example/"),
            ("a.example:8080", "http://a.example/"),
            ("10.0.0.0/8", "http://11.0.0.1/"),
            ("10.0.0.0/99", "http://10.0.0.1/"),
            ("/8", "http://10.0.0.1/"),
        ] {
            assert!(!is_direct(list, url), "{list} {url}");
        }
    }

    #[test]
    fn apt_comes_before_the_environment() {
        let apt =
            AptProxies::parse("Acquire::http::Proxy \"http://apt.example:1\"; Acquire::http::Proxy::a.example DIRECT;");
        let proxies = Proxies { http: Some("http://env.example".into()), apt, ..Proxies::default() };
        assert_eq!(chosen(&proxies, "http://b.example/"), Some("http://apt.example:1/".into()));
        assert_eq!(chosen(&proxies, "http://a.example/"), None);
    }
}
