//! The scenes.

use std::time::Duration;

use super::account::{Account, Balance, Due};
use super::house::House;
use super::internet;
use super::letters::{Letter, Writer};
use super::people::{Addresses, Home};
use super::platform::{Arrival, Platform};
use super::screen::Screen;
use super::{DemoError, Ending};
use crate::backend::Health;
use crate::base::{Clock, Entropy};
use crate::mail::BackendId;
use crate::terminal::{Cell, Palette, Table, Tone, visible};

/// The mailbox that the audience may open.
const READER: &str = "ann@example.org";
const PASSWORD: &str = "high-water-at-noon";
/// Beyond: something is broken, and the demo says so.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one look to the next while the demo waits for a condition.
const LOOK: Duration = Duration::from_millis(20);
/// How long the outage lasts for an audience.
const DARK: Duration = Duration::from_secs(40);
/// From one letter to the next, for an audience.
const READING: Duration = Duration::from_millis(350);
/// From one letter to the next after the story.
const TRICKLE: Duration = Duration::from_secs(20);

/// Everything on the stage.
pub(super) struct Stage {
    ending: Ending,
    clock: Clock,
    screen: Screen,
    onprem: Platform,
    cloud: Platform,
    internet: Platform,
    house: House,
    writer: Writer,
    account: Account,
    /// What waits for onprem, with what it is.
    waiting: Vec<(&'static str, Due)>,
}

impl Stage {
    /// Starts the platforms and Tideover between them.
    pub(super) async fn set(ending: Ending) -> Result<Self, DemoError> {
        let clock = Clock::system();
        let entropy = Entropy::system();
        let onprem = Platform::start("onprem")?;
        let cloud = Platform::start("cloud")?;
        let internet = Platform::start("internet")?;
        let addresses = Addresses {
            onprem: onprem.address(),
            cloud: cloud.address(),
            internet: internet.address(),
        };
        Ok(Self {
            ending,
            screen: Screen::new(clock.clone()),
            house: House::open(addresses, &entropy).await?,
            writer: Writer::new(clock.clone(), &entropy),
            clock,
            onprem,
            cloud,
            internet,
            account: Account::default(),
            waiting: Vec::new(),
        })
    }

    /// Stops everything and removes what it left on the disk.
    pub(super) async fn clear(mut self) -> Result<(), DemoError> {
        let closed = self.house.close().await;
        for platform in [&mut self.onprem, &mut self.cloud, &mut self.internet] {
            platform.switch_off().await;
        }
        closed
    }

    /// Plays the whole story.
    pub(super) async fn play(&mut self) -> Result<(), DemoError> {
        self.introduce();
        self.ordinary_day().await?;
        self.power_cut().await?;
        self.mail_goes_on().await?;
        self.open_the_webmail().await?;
        self.power_back().await?;
        self.settle()?;
        match self.ending {
            Ending::Once => Ok(()),
            Ending::CtrlC => self.stay().await,
        }
    }

    fn introduce(&self) {
        let title = self.screen.palette().paint(Tone::Strong, "Tideover");
        self.screen.text(&format!(
            "\n{title} takes the mail of an organisation that changes its mail platform.\n\n\
             example.org moves from a server in its cellar (onprem) to a cloud. Half of\n\
             its people have moved. Tideover stands in front of both and takes all mail:\n\n\
             \x20                               ┌──► onprem   Ann, Chloé\n\
             \x20   Internet ──► Tideover ──────┤\n\
             \x20                               └──► cloud    Bob, Dan\n\n\
             Everything here runs inside this one program: two small mail servers as the\n\
             platforms, and Tideover between them as it would run for you.\n"
        ));
    }

    async fn ordinary_day(&mut self) -> Result<(), DemoError> {
        self.screen.scene("An ordinary day");
        self.screen
            .line("Mail of all kinds comes in; each piece goes where its mailbox is.\n");
        for letter in self.writer.ordinary_day() {
            self.deliver(letter).await?;
        }
        self.table();
        Ok(())
    }

    async fn power_cut(&mut self) -> Result<(), DemoError> {
        self.screen.scene("The cellar goes dark");
        self.onprem.switch_off().await;
        let address = self.onprem.address();
        self.screen
            .happens(&format!("onprem has lost its power: {address} is dead"));
        let health = self.wait_for(Health::Down).await?;
        self.screen.happens("Tideover notices and stops trying:");
        let bad = self.screen.palette().paint(Tone::Bad, "onprem is down");
        self.screen
            .line(&format!("          {bad}: {}", visible(&health)));
        Ok(())
    }

    async fn mail_goes_on(&mut self) -> Result<(), DemoError> {
        self.screen.scene("The mail goes on");
        self.screen.line(
            "Every sender hears 250: the mail is safe on disk. No bounce, no delay notice.\n  \
             Bob and Dan notice nothing. The mail for Ann and Chloé waits.\n",
        );
        for letter in self.writer.during_the_outage() {
            self.deliver(letter).await?;
        }
        self.table();
        Ok(())
    }

    async fn open_the_webmail(&mut self) -> Result<(), DemoError> {
        self.screen.scene("Ann reads her mail all the same");
        self.house.enrol(READER, PASSWORD).await?;
        let strong = |text: &str| self.screen.palette().paint(Tone::Strong, text);
        if let Some(web) = self.house.web() {
            self.screen.text(&format!(
                "  Open  {}\n  as    {}   password  {}\n\n  \
                 She sees what was delivered and what still waits, and can answer.\n",
                strong(&format!("http://{web}/")),
                strong(READER),
                strong(PASSWORD)
            ));
        }
        self.screen
            .text("\n  An administrator asks in another terminal:\n\n");
        let trace = format!("trace {READER}");
        for command in self.house.commands(&["status", "queue list", &trace]) {
            self.screen.text(&format!("    {}\n", strong(&command)));
        }
        if self.ending == Ending::CtrlC {
            let dark = DARK.as_secs();
            self.screen.text("\n");
            self.screen.happens(&format!(
                "the power comes back in {dark} seconds: have a look"
            ));
            self.linger(DARK).await;
        }
        Ok(())
    }

    async fn power_back(&mut self) -> Result<(), DemoError> {
        self.screen.scene("The power is back");
        self.onprem.switch_on()?;
        self.screen.happens("onprem answers again");
        self.wait_for(Health::Up).await?;
        let good = self.screen.palette().paint(Tone::Good, "onprem is up");
        self.screen.happens(&format!(
            "Tideover has seen it twice: {good}, what waited goes out"
        ));
        let deadline = self.clock.now().after(PATIENCE);
        while !self.waiting.is_empty() && self.clock.now() < deadline {
            let arrived = self.arrived();
            let (here, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
                .into_iter()
                .partition(|(_, due)| due.is_in(&arrived));
            self.waiting = waiting;
            for (what, due) in here {
                let where_to = route(self.screen.palette(), &[&due]);
                self.screen.happens(&format!("{what:<29} {where_to}"));
            }
            tokio::time::sleep(LOOK).await;
        }
        self.table();
        Ok(())
    }

    /// The bill: every message exactly once, byte for byte.
    fn settle(&mut self) -> Result<(), DemoError> {
        self.screen.scene("Did we lose anything?");
        let balance = self.account.balance(&self.arrived());
        let Balance {
            due,
            right,
            missing,
            twice,
            changed,
            strange,
        } = balance;
        let tone = if balance.is_even() {
            Tone::Good
        } else {
            Tone::Bad
        };
        let verdict = format!(
            "{right} of {due} deliveries arrived exactly once, byte for byte; {missing} missing, \
             {twice} twice,\n  {changed} changed, {strange} misdirected."
        );
        self.screen.line(&format!(
            "{} messages were answered with 250.\n  {}",
            self.account.letters(),
            self.screen.palette().paint(tone, &verdict)
        ));
        if balance.is_even() {
            Ok(())
        } else {
            Err(DemoError::NotEven)
        }
    }

    async fn stay(&mut self) -> Result<(), DemoError> {
        self.screen.scene("Stay as long as you like");
        if let Some(web) = self.house.web() {
            self.screen.line(&format!(
                "The webmail is open: http://{web}/  {READER}  {PASSWORD}"
            ));
        }
        self.screen
            .line("New mail comes every 20 seconds. Ctrl-C ends the demo and removes its files.\n");
        let mut answers = self.internet.count();
        loop {
            if let Some(letter) = self.writer.another() {
                self.deliver(letter).await?;
            }
            let next = self.clock.now().after(TRICKLE);
            while self.clock.now() < next {
                tokio::time::sleep(LOOK * 10).await;
                for answer in self.internet.arrivals().iter().skip(answers) {
                    self.screen.happens(&format!(
                        "an answer from the webmail left for {}",
                        visible(&answer.to)
                    ));
                    answers += 1;
                }
            }
        }
    }

    /// Hands a letter in, and waits until it has arrived where that is possible.
    async fn deliver(&mut self, letter: Letter) -> Result<(), DemoError> {
        let door = self.house.mx().ok_or(DemoError::Late(letter.what))?;
        internet::send(door, &letter).await?;
        let due = self.account.note(&letter);
        let down = self
            .health(Home::Onprem)
            .is_some_and(|health| health == Health::Down);
        let (waits, goes): (Vec<&Due>, Vec<&Due>) =
            due.iter().partition(|due| down && due.home == Home::Onprem);
        let deadline = self.clock.now().after(PATIENCE);
        while !goes.iter().all(|due| due.is_in(&self.arrived())) {
            if self.clock.now() > deadline {
                return Err(DemoError::Late(letter.what));
            }
            tokio::time::sleep(LOOK).await;
        }
        let mut places = Vec::new();
        if !waits.is_empty() {
            let waiting = format!("{} waits", names(&waits));
            places.push(self.screen.palette().paint(Tone::Waiting, &waiting));
        }
        if !goes.is_empty() {
            places.push(route(self.screen.palette(), &goes));
        }
        self.screen
            .happens(&format!("{:<29} {}", letter.what, places.join("   ")));
        let waits = waits.into_iter().map(|due| (letter.what, due.clone()));
        self.waiting.extend(waits);
        if self.ending == Ending::CtrlC {
            self.linger(READING).await;
        }
        Ok(())
    }

    /// Gives the audience time.
    async fn linger(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits until onprem is as it should be; returns the reason.
    async fn wait_for(&self, health: Health) -> Result<String, DemoError> {
        let deadline = self.clock.now().after(PATIENCE);
        let onprem = BackendId::new(Home::Onprem.name());
        loop {
            if let Some(found) = self.house.health(&onprem)
                && found.health == health
            {
                return Ok(found.reason);
            }
            if self.clock.now() > deadline {
                return Err(DemoError::Unnoticed);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn health(&self, home: Home) -> Option<Health> {
        let health = self.house.health(&BackendId::new(home.name()))?;
        Some(health.health)
    }

    fn platform(&self, home: Home) -> &Platform {
        match home {
            Home::Onprem => &self.onprem,
            Home::Cloud => &self.cloud,
        }
    }

    fn arrived(&self) -> Vec<(Home, Arrival)> {
        let both = Home::BOTH.into_iter();
        both.flat_map(|home| {
            let arrivals = self.platform(home).arrivals().into_iter();
            arrivals.map(move |arrival| (home, arrival))
        })
        .collect()
    }

    fn table(&self) {
        let mut table = Table::new(&["  PLATFORM", "HEALTH", "ARRIVED", "WAITING"], &[]);
        for home in Home::BOTH {
            let health = match self.health(home) {
                Some(Health::Up | Health::Slow) => Cell::toned("up", Tone::Good),
                Some(Health::Down | Health::Rejecting) | None => Cell::toned("down", Tone::Bad),
            };
            let waiting = self.waiting.iter().filter(|(_, due)| due.home == home);
            table.row([
                format!("  {}", home.name()).into(),
                health,
                self.platform(home).count().to_string().into(),
                waiting.count().to_string().into(),
            ]);
        }
        let text = table.render(self.screen.palette());
        self.screen.text(&format!("\n{text}"));
    }
}

/// `ann, chloe → onprem   bob → cloud`.
fn route(palette: Palette, due: &[&Due]) -> String {
    let places = Home::BOTH.into_iter().filter_map(|home| {
        let here: Vec<&Due> = due.iter().copied().filter(|due| due.home == home).collect();
        let text = format!("{} → {}", names(&here), home.name());
        (!here.is_empty()).then(|| palette.paint(Tone::Good, &text))
    });
    places.collect::<Vec<_>>().join("   ")
}

/// Local parts.
fn names(due: &[&Due]) -> String {
    let names = due.iter().map(|due| {
        let name = due.recipient.split('@').next();
        name.unwrap_or(due.recipient)
    });
    names.collect::<Vec<_>>().join(", ")
}
