//! Names that the usual programs and platforms give to folders, for servers that do not say what
//! theirs are for. Pure.

use crate::mail::FolderKind;

/// By its name alone, and how likely it is that the platform itself uses it: 0 is the most.
pub(super) fn by_name(name: &str) -> Option<(FolderKind, usize)> {
    let name = name.to_lowercase();
    NAMES.iter().find_map(|(kind, names)| {
        let rank = names.iter().position(|one| *one == name)?;
        Some((*kind, rank))
    })
}

/// In the languages in which platforms make them. First those of Exchange, which never says what a
/// folder is for: where a program has made one of its own beside it, the platform's counts.
const NAMES: [(FolderKind, &[&str]); 5] = [
    (FolderKind::Trash, TRASH),
    (FolderKind::Junk, JUNK),
    (FolderKind::Sent, SENT),
    (FolderKind::Drafts, DRAFTS),
    (FolderKind::Archive, ARCHIVE),
];

const TRASH: &[&str] = &[
    "deleted items",
    "gelöschte elemente",
    "gelöschte objekte",
    "éléments supprimés",
    "elementos eliminados",
    "posta eliminata",
    "elementi eliminati",
    "verwijderde items",
    "itens excluídos",
    "itens eliminados",
    "elementy usunięte",
    "slettet post",
    "slettede elementer",
    "borttagna objekt",
    "borttaget",
    "poistetut",
    "odstraněná pošta",
    "odstránená pošta",
    "törölt elemek",
    "elemente șterse",
    "silinmiş öğeler",
    "διαγραμμένα στοιχεία",
    "удаленные",
    "удалённые",
    "видалені",
    "削除済みアイテム",
    "已删除邮件",
    "刪除的郵件",
    "지운 편지함",
    "trash",
    "deleted",
    "deleted messages",
    "bin",
    "papierkorb",
    "corbeille",
    "papelera",
    "cestino",
    "prullenbak",
    "lixeira",
    "lixo",
    "kosz",
    "papirkurv",
    "papirkorg",
    "papperskorgen",
    "papperskorg",
    "roskakori",
    "koš",
    "kôš",
    "lomtár",
    "корзина",
    "кошик",
    "çöp kutusu",
];

const JUNK: &[&str] = &[
    "junk email",
    "junk e-mail",
    "junk-e-mail",
    "courrier indésirable",
    "correo no deseado",
    "correo electrónico no deseado",
    "posta indesiderata",
    "ongewenste e-mail",
    "lixo eletrônico",
    "lixo eletrónico",
    "e-mail de lixo",
    "wiadomości-śmieci",
    "uønsket mail",
    "uønsket e-mail",
    "uønsket e-post",
    "søppelpost",
    "skräppost",
    "roskaposti",
    "nevyžádaná pošta",
    "nevyžiadaná pošta",
    "levélszemét",
    "нежелательная почта",
    "junk",
    "spam",
    "bulk mail",
    "bulk",
    "indésirables",
];

const SENT: &[&str] = &[
    "sent items",
    "gesendete elemente",
    "gesendete objekte",
    "éléments envoyés",
    "elementos enviados",
    "posta inviata",
    "verzonden items",
    "itens enviados",
    "elementy wysłane",
    "sendt post",
    "sendte elementer",
    "skickade objekt",
    "skickat",
    "lähetetyt",
    "odeslaná pošta",
    "odoslaná pošta",
    "elküldött elemek",
    "elemente trimise",
    "gönderilmiş öğeler",
    "απεσταλμένα",
    "отправленные",
    "надіслані",
    "送信済みアイテム",
    "已发送邮件",
    "寄件備份",
    "보낸 편지함",
    "sent",
    "sent messages",
    "sent mail",
    "sent-mail",
    "sent_mail",
    "gesendet",
    "envoyés",
    "messages envoyés",
    "enviados",
    "inviati",
    "inviata",
    "verzonden",
    "wysłane",
    "sendt",
    "skickade",
    "odeslané",
    "elküldött",
];

const DRAFTS: &[&str] = &[
    "drafts",
    "entwürfe",
    "brouillons",
    "borradores",
    "bozze",
    "concepten",
    "rascunhos",
    "kopie robocze",
    "kladder",
    "kladd",
    "utkast",
    "luonnokset",
    "koncepty",
    "piszkozatok",
    "schițe",
    "taslaklar",
    "πρόχειρα",
    "черновики",
    "чернетки",
    "下書き",
    "草稿",
    "임시 보관함",
    "draft",
    "szkice",
    "robocze",
    "rozepsané",
];

const ARCHIVE: &[&str] = &[
    "archive",
    "archiv",
    "archives",
    "archivo",
    "archivio",
    "archief",
    "arquivo",
    "arquivo morto",
    "archiwum",
    "arkiv",
    "arkisto",
    "archív",
    "archívum",
    "arhivă",
    "arşiv",
    "архив",
    "архів",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_in_many_languages() {
        for (name, kind) in [
            ("Deleted", FolderKind::Trash),
            ("Deleted Messages", FolderKind::Trash),
            ("Éléments supprimés", FolderKind::Trash),
            ("Papirkurv", FolderKind::Trash),
            ("Papperskorgen", FolderKind::Trash),
            ("Kosz", FolderKind::Trash),
            ("Lixeira", FolderKind::Trash),
            ("Prullenbak", FolderKind::Trash),
            ("sent-mail", FolderKind::Sent),
            ("Enviados", FolderKind::Sent),
            ("Skickat", FolderKind::Sent),
            ("Elementy wysłane", FolderKind::Sent),
            ("Posta inviata", FolderKind::Sent),
            ("ОТПРАВЛЕННЫЕ", FolderKind::Sent),
            ("Rascunhos", FolderKind::Drafts),
            ("Utkast", FolderKind::Drafts),
            ("Arkiv", FolderKind::Archive),
            ("Ongewenste e-mail", FolderKind::Junk),
        ] {
            assert_eq!(by_name(name).map(|(kind, _)| kind), Some(kind), "{name}");
        }
        assert_eq!(by_name("Kunden"), None);
        let rank = |name| by_name(name).unwrap().1;
        assert!(rank("Gesendete Elemente") < rank("Sent"));
    }

    #[test]
    fn no_name_means_two_things() {
        let all = NAMES.iter().flat_map(|(_, names)| names.iter());
        let mut seen = std::collections::BTreeSet::new();
        for name in all {
            assert!(seen.insert(*name), "{name} twice");
            assert_eq!(name.to_lowercase(), *name);
        }
    }
}
