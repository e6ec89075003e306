//! A platform is killed and comes back: somebody outside hears of both, by mail and by a webhook.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::harness::{LONG, Lab, eventually};

/// What came from the server.
type Heard = Arc<Mutex<Vec<String>>>;

/// A server of somebody else's; it ends with the test's process.
fn outside(lab: &Lab, serve: fn(TcpStream, &Heard) -> std::io::Result<()>) -> (String, Heard) {
    let listener = TcpListener::bind((lab.address(), 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Heard::default();
    let all = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = Arc::clone(&all);
            thread::spawn(move || serve(stream, &all).ok());
        }
    });
    (address, heard)
}

fn mail_host(stream: TcpStream, heard: &Heard) -> std::io::Result<()> {
    let mut write = stream.try_clone()?;
    write.write_all(b"220 outside ESMTP\r\n")?;
    let (mut message, mut is_data) = (String::new(), false);
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let reply: &[u8] = if is_data && line == "." {
            heard.lock().unwrap().push(std::mem::take(&mut message));
            is_data = false;
            b"250 2.0.0 taken\r\n"
        } else if is_data {
            message.push_str(&line);
            message.push('\n');
            continue;
        } else if line.starts_with("DATA") {
            is_data = true;
            b"354 go\r\n"
        } else {
            b"250 2.0.0 ok\r\n"
        };
        write.write_all(reply)?;
    }
    Ok(())
}

fn web_server(stream: TcpStream, heard: &Heard) -> std::io::Result<()> {
    let mut write = stream.try_clone()?;
    let mut read = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        read.read_line(&mut line)?;
        if let Some(said) = line.strip_prefix("content-length: ") {
            length = said.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body)?;
    heard.lock().unwrap().push(String::from_utf8(body).unwrap());
    write.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
}

/// The notice about onprem with this news.
fn posted(posts: &Heard, news: &str) -> Option<Value> {
    let posts = posts.lock().unwrap();
    let items = posts.iter().filter_map(|post| {
        let post: Value = serde_json::from_str(post).ok()?;
        let items = post["items"].as_array()?.clone();
        Some(items)
    });
    items
        .flatten()
        .find(|item| item["subject"] == "onprem" && item["news"] == news)
}

fn mailed(mails: &Heard, words: &str) -> Option<()> {
    let mails = mails.lock().unwrap();
    let is_it = |mail: &String| mail.contains(words) && mail.contains("onprem is down");
    mails.iter().any(is_it).then_some(())
}

#[test]
fn a_killed_platform_is_told_outside_and_so_is_its_return() {
    let mut lab = Lab::new();
    let (relay, mails) = outside(&lab, mail_host);
    let (hook, posts) = outside(&lab, web_server);
    let mut settings = lab.settings();
    settings.more = format!(
        "[notices]\naddresses = [\"ops@elsewhere.example\"]\nrelay = \"{relay}\"\n\
         webhook = \"http://{hook}/hook\"\ngather = \"1s\"\n"
    );
    let tideover = lab.tideover_with(settings);
    tideover.wait_health("onprem", "up");
    let tested = tideover.json(&["notify", "test"]);
    let results: Vec<&str> = tested
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["result"].as_str())
        .collect();
    assert_eq!(results, ["sent", "sent"], "{tested:#}");

    lab.onprem.kill();
    let item = eventually(LONG, "the webhook hears of the outage", || {
        posted(&posts, "began")
    });
    assert_eq!(item["severity"], "critical");
    assert!(
        item["what_to_do"].as_str().unwrap().contains("webmail"),
        "{item:#}"
    );
    eventually(LONG, "mail outside tells of the outage", || {
        mailed(&mails, "CRITICAL")
    });
    assert!(posted(&posts, "over").is_none());

    lab.onprem.start_again();
    let item = eventually(LONG, "the webhook hears of the end", || {
        posted(&posts, "over")
    });
    assert!(item["until"].is_string(), "{item:#}");
    eventually(LONG, "mail outside tells of the end", || {
        mailed(&mails, "OVER")
    });
    let status = tideover.json(&["notify", "status"]);
    assert!(status["problem"].is_null(), "{status:#}");
    assert!(status["sent"].as_array().unwrap().len() >= 2, "{status:#}");
}
