//! German.

use super::Texts;

/// German.
pub(crate) const GERMAN: Texts = Texts {
    lang: "de",
    months: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    day: "{day}. {month}",
    day_year: "{day}. {month} {year}",
    day_time: "{day}, {time}",
    skip: "Zum Inhalt springen",
    main_navigation: "Post",
    inbox: "Posteingang",
    sent: "Gesendet",
    write: "Neue Nachricht",
    log_out: "Abmelden",
    banner_down: "{platform} ist seit {time} nicht erreichbar.",
    banner_rejecting: "{platform} nimmt seit {time} keine Post an.",
    banner_held: "Post für {platform} wird seit {time} absichtlich hier behalten.",
    banner_moving: "Die Post von {domain} zieht seit {time} an einen anderen Ort um.",
    banner_moving_help: "Sie können hier weiter lesen und antworten. Nichts geht verloren: Ihre \
        Post wartet und kommt in Ihr Postfach, wenn der Umzug vorbei ist.",
    banner_help: "Sie können hier weiter lesen und antworten. Nichts geht verloren: Ihre Post \
        wartet und kommt in Ihr Postfach, wenn {platform} wieder da ist.",
    not_open_title: "Zurzeit nicht geöffnet",
    not_open: "Diese Notfall-Post wird geöffnet, wenn Ihr gewohntes Postfach nicht erreichbar ist. \
        Zurzeit ist sie für Sie nicht geöffnet: Bitte verwenden Sie Ihre gewohnte Post. Was Sie \
        hier geschrieben haben, bleibt erhalten.",
    not_open_short: "Ihre Post ist in Ihrem gewohnten Postfach. Hier können Sie Ihre Anmeldung \
        vorbereiten, damit sie an dem Tag funktioniert, an dem Sie sie brauchen.",
    to_security: "Kennwort und Sicherheit",
    login_shut: "Die Notfall-Post ist zurzeit nicht geöffnet: Bitte verwenden Sie Ihre gewohnte \
        Post.",
    read_only_title: "Nur lesen.",
    read_only: "Sie können Ihre Post hier lesen und durchsuchen. Senden und ändern ist zurzeit \
        nicht möglich.",
    read_only_refused: "Sie können Ihre Post hier lesen, aber zurzeit nichts senden oder ändern. \
        Was Sie vorher geschrieben haben, bleibt erhalten.",
    test_title: "Das ist ein Test.",
    test: "Die Notfall-Post ist für Sie und einige andere geöffnet, die sie ausprobieren. Was Sie \
        hier senden, geht wirklich hinaus.",
    code_title: "Ihre Einladung",
    code_lead: "Geben Sie den Code ein, der auf Ihrer Einladung steht. Er gilt einmal.",
    code_label: "Einladungscode",
    code_go: "Weiter",
    invite_code_wrong: "Dieser Code gilt nicht (mehr). Bitte sehen Sie noch einmal nach, \
        oder bitten Sie Ihren Administrator um eine neue Einladung.",
    sheet_how: "Für Ihre Notfall-Post: Öffnen Sie {page} und geben Sie diesen Code ein, \
        oder scannen Sie das Bild. Er gilt einmal, bis {until}. Dann wählen Sie ein eigenes \
        Kennwort.",
    invite_subject: "Ihre Notfall-Post: Kennwort wählen",
    invite_mail: "Wenn das Postfach {address} nicht erreichbar ist, können Sie Ihre Post \
        hier lesen und beantworten:\n\n    {base}\n\nDamit Sie sich an diesem Tag anmelden \
        können, wählen Sie jetzt ein Kennwort. \
        Dieser Link gilt einmal, bis {until}:\n\n    {link}\n\n\
        Wer diesen Link hat, kann das Kennwort wählen: Bitte geben Sie ihn nicht \
        weiter.",
    begins_subject: "Ihre Notfall-Post ist geöffnet",
    begins: "Für Ihr Postfach {address} ist die Notfall-Post geöffnet, bis Ihre gewohnte Post \
        wieder verwendbar ist:\n\n    {base}\n\nMelden Sie sich mit Ihrer Adresse an und mit dem \
        Kennwort, das Sie dafür gewählt haben. Nichts geht verloren: Was inzwischen kommt, wartet \
        auch auf Ihr Postfach.\n\nDiese Nachricht hat ein Programm gesendet. Niemand fragt Sie per \
        Mail nach Ihrem Kennwort.",
    ends_subject: "Bitte verwenden Sie wieder Ihre gewohnte Post",
    ends: "Die gewohnte Post von {address} ist wieder verwendbar: Bitte verwenden Sie sie wieder. \
        Sonst ist nichts zu tun.\n\nDiese Nachricht hat ein Programm gesendet.",
    login_title: "Anmelden",
    login_lead: "Lesen und beantworten Sie Ihre Post, auch wenn Ihr Postfach nicht erreichbar ist.",
    address: "E-Mail-Adresse",
    password: "Kennwort",
    log_in: "Anmelden",
    login_wrong: "Adresse und Kennwort passen nicht zusammen. Prüfen Sie beide und versuchen Sie \
        es noch einmal.",
    login_wait: "Zu viele Versuche. Bitte warten Sie {wait} und versuchen Sie es dann noch einmal.",
    minutes: "{count} Min.",
    login_help: "Noch kein Kennwort für diese Seite, oder vergessen? Bitten Sie Ihre Betreuung \
        um eine Einladung.",
    logged_out: "Sie sind abgemeldet.",
    invite_title: "Kennwort wählen",
    invite_lead: "Dieses Kennwort öffnet Ihre Post hier, auch wenn alles andere steht. Es ist \
        ein anderes als Ihr gewohntes.",
    new_password: "Neues Kennwort",
    repeat_password: "Dasselbe Kennwort noch einmal",
    password_rule: "Mindestens 10 Zeichen. Einige Wörter hintereinander merkt man sich leicht.",
    set_password: "Kennwort setzen und anmelden",
    passwords_differ: "Die beiden Kennwörter sind nicht gleich. Bitte geben Sie beide noch \
        einmal ein.",
    password_refused: "Dieses Kennwort geht nicht: Es braucht 10 bis 256 Zeichen und darf nicht \
        Ihre Adresse sein.",
    password_set: "Ihr Kennwort ist gesetzt. Willkommen!",
    invite_gone_title: "Diese Einladung gilt nicht mehr",
    invite_gone: "Eine Einladung gilt einmal und eine begrenzte Zeit. Bitten Sie Ihre Betreuung \
        um eine neue, oder melden Sie sich an, wenn Sie schon ein Kennwort gesetzt haben.",
    inbox_empty_title: "Noch keine Post",
    inbox_empty: "Was von jetzt an für Sie eintrifft, steht sofort hier, ob Ihr Postfach \
        erreichbar ist oder nicht.",
    sent_empty_title: "Noch nichts gesendet",
    sent_empty: "Was Sie hier schreiben, steht in dieser Liste.",
    has_attachments: "Hat Anhänge",
    unread: "Ungelesen",
    no_subject: "(kein Betreff)",
    no_sender: "(kein Absender)",
    older: "Ältere Nachrichten",
    beyond_quota: "Ältere Nachrichten stehen nicht hier. Sie sind in Ihrem gewohnten Postfach.",
    newest: "Zurück zu den neuesten",
    pages: "Seiten",
    to_prefix: "An {people}",
    and_more: "{people} und {count} weitere",
    check_again: "Nach neuer Post sehen",
    state_delivered: "Zugestellt an {platform}",
    state_waits: "Wartet auf {platform} seit {time}",
    state_on_its_way: "Unterwegs zu {platform}",
    state_retry: "Nächster Versuch bei {platform} um {time}",
    state_held: "Für Ihre Verwaltung aufgehoben seit {time}",
    state_moving: "Wartet hier, während {domain} umzieht",
    state_bounced: "Konnte nicht zugestellt werden",
    state_expanded: "An die Mitglieder der Gruppe gegeben",
    state_dropped: "Von der Verwaltung entfernt",
    state_left: "Zugestellt",
    state_some_left: "Zugestellt an {done} von {all}",
    state_some_failed: "Gescheitert bei {failed} von {all}",
    detail_delivered: "{platform} hat sie am {time} angenommen.",
    detail_since: "Sie ist am {time} eingetroffen und hier sicher aufgehoben.",
    detail_refused: "Die Antwort war: {reason}",
    from: "Von",
    to: "An",
    cc: "Kopie",
    date: "Eingetroffen",
    reply: "Antworten",
    reply_all: "Allen antworten",
    back: "Zurück zur Liste",
    source: "Quelltext",
    actions: "Was mit der Nachricht geschehen soll",
    show_plain: "Als einfachen Text zeigen",
    show_rich: "Mit Formatierung zeigen",
    frame_title: "Text der Nachricht",
    open_frame: "Den Text auf einer eigenen Seite öffnen",
    images_blocked_one: "Ein Bild aus dem Internet wurde nicht geladen. Wird es geladen, kann \
        der Absender erfahren, dass Sie diese Nachricht lesen.",
    images_blocked: "{count} Bilder aus dem Internet wurden nicht geladen. Werden sie geladen, \
        kann der Absender erfahren, dass Sie diese Nachricht lesen.",
    load_images: "Bilder laden",
    quoted_text: "Zitierter Text",
    cut_text: "Dieser Text geht weiter: Ganz steht er im Quelltext.",
    cut_parts: "Diese Nachricht hat {count} Teile mehr, als hier stehen: Sie sind im Quelltext.",
    no_text: "Diese Nachricht hat keinen Text.",
    attachments: "Anhänge",
    unnamed_part: "Teil {number}",
    download: "Herunterladen",
    too_large: "Diese Nachricht ist zu groß, um hier gezeigt zu werden. Sie können ihren \
        Quelltext herunterladen.",
    unreadable: "Diese Nachricht kann nicht gezeigt werden: Sie hält sich nicht an die Regeln \
        für Post. Sie können ihren Quelltext ansehen.",
    delivery: "Zustellung",
    conversation: "Unterhaltung",
    conversation_count: "{count} Nachrichten in dieser Unterhaltung",
    conversation_older: "{count} ältere Nachrichten",
    conversation_newer: "Neuere in dieser Unterhaltung",
    has_conversations: "Listen nach Unterhaltungen zusammenfassen",
    has_conversations_help: "Nachrichten, die einander beantworten, stehen in einer Zeile, mit \
        ihrer Anzahl. Was Sie mit der Zeile tun, tun Sie mit allen in diesem Ordner.",
    formatting: "Formatierung",
    format_on: "Text formatieren",
    format_off: "Nur Text",
    format_lost: "Ohne Skript wird diese Nachricht als reiner Text aufgehoben und gesendet.",
    bold: "Fett",
    italic: "Kursiv",
    bullets: "Liste",
    quotation: "Zitat",
    link: "Verweis",
    link_address: "Adresse des Verweises",
    link_set: "Verweis setzen",
    enclosed: "Nachricht in dieser Nachricht",
    show_part: "Ansehen",
    new_message: "Neue Nachricht",
    to_help: "Mehrere Adressen werden durch Kommas getrennt.",
    subject: "Betreff",
    message: "Nachricht",
    send: "Senden",
    discard: "Verwerfen",
    sent_notice: "Ihre Nachricht ist unterwegs.",
    errors_title: "Die Nachricht ist noch nicht gesendet",
    error_no_recipient: "Sagen Sie, an wen sie geht: Das Feld „An“ ist leer.",
    error_address: "„{address}“ ist keine E-Mail-Adresse. Erwartet wird etwas wie \
        name@example.org.",
    error_rejected: "{address} kann keine Post bekommen: {reason}",
    error_too_many: "Eine Nachricht von hier kann an höchstens {most} Adressen gehen; diese hat \
        {count}.",
    error_full: "Der Server kann gerade keine weitere Post aufnehmen. Ihr Text bleibt auf dieser \
        Seite stehen; versuchen Sie es in einigen Minuten noch einmal.",
    wrote: "Am {time} schrieb {person}:",
    lines_more: "… {count} weitere Zeilen im Original",
    one_line_more: "… 1 weitere Zeile im Original",
    error_too_long: "Der Text ist zu lang: {size}, und höchstens {most} können gesendet werden. Er \
        steht ganz hier und bei Ihren Entwürfen. Kürzen Sie ihn, oder hängen Sie ihn als Datei an.",
    error_cut: "Der Text war länger als {most}, und sein Ende ist nicht mehr hier. Hängen Sie ihn \
        als Datei an.",
    error_stale: "Sie haben sich neu angemeldet, seit diese Seite geöffnet wurde. Nichts ist \
        geschehen; Ihr Text steht ganz hier. Wählen Sie Ihre Dateien neu, dann drücken Sie noch \
        einmal auf den Knopf.",
    error_elsewhere: "Diese Nachricht wurde in einem anderen Fenster geändert, seit diese Seite \
        geöffnet wurde. Was hier steht, ist nicht gesichert: Es steht ganz hier, und wenn Sie es \
        jetzt sichern oder senden, ersetzt es, was das andere Fenster gesichert hat. Dateien, die \
        nicht in der Liste stehen, müssen neu gewählt werden.",
    error_sent: "Diese Nachricht wurde inzwischen in einem anderen Fenster gesendet. Was hier \
        steht, ist nicht gesendet; es ist jetzt eine neue Nachricht. Dateien, die nicht in der \
        Liste stehen, müssen neu gewählt werden.",
    error_sent_short: "Diese Nachricht wurde in einem anderen Fenster gesendet. Was hier steht, \
        ist nicht gesichert.",
    logged_out_title: "Sie sind abgemeldet",
    logged_out_lead: "Ihre Nachricht ist weder gesendet noch gesichert. Ihr ganzer Text steht \
        unten. Melden Sie sich an: Das öffnet einen neuen Tab. Kommen Sie dann in diesen zurück \
        und sichern Sie den Entwurf. Dateien müssen neu gewählt werden.",
    logged_out_log_in: "Anmelden (neuer Tab)",
    error_sender: "Sie können nicht von {address} schreiben. Wählen Sie unter „Von“ eine Ihrer \
        eigenen Adressen.",
    not_saved: "Nicht gesichert. Falls Sie abgemeldet wurden, melden Sie sich in einem anderen Tab \
        an und schreiben Sie hier weiter.",
    not_found_title: "Hier ist nichts",
    not_found: "Die Seite oder Nachricht gibt es nicht, oder sie gehört nicht Ihnen.",
    bad_request_title: "Das ergibt hier keinen Sinn",
    bad_request: "Die Adresse oder das Formular ist beschädigt. Es ist nichts geschehen; beginnen \
        Sie wieder beim Posteingang.",
    gone_title: "Diese Adresse gibt es nicht mehr",
    gone: "Die Adresse, mit der Sie sich angemeldet haben, steht nicht mehr im Verzeichnis. Wenn \
        das falsch ist, fragen Sie Ihre Verwaltung.",
    expired_title: "Diese Seite war zu lange offen",
    expired: "Zu Ihrer Sicherheit gilt das Formular nicht mehr. Gehen Sie zurück, laden Sie die \
        Seite neu und wiederholen Sie, was Sie getan haben; kopieren Sie vorher Ihren Text.",
    too_large_title: "Das war zu viel",
    too_large_form: "Der Text ist größer als das, was von hier gesendet werden kann. Gehen Sie \
        zurück und kürzen Sie ihn.",
    busy_title: "Einen Augenblick",
    busy: "Der Server hat viel zu tun. Bitte versuchen Sie es in einigen Sekunden noch einmal.",
    broken_title: "Etwas ist schiefgegangen",
    broken: "Es liegt an uns und ist für die Verwaltung aufgeschrieben. Ihre Post ist sicher. \
        Bitte versuchen Sie es noch einmal.",
    to_inbox: "Zum Posteingang",
    archive: "Archiv",
    deleted: "Gelöscht",
    folders: "Ordner",
    archive_empty_title: "Das Archiv ist leer",
    archive_empty: "Was Sie archivieren, verlässt den Posteingang und wird hier aufgehoben.",
    deleted_empty_title: "Nichts gelöscht",
    deleted_empty: "Was Sie löschen, kann von hier zurückgeholt werden.",
    unread_count: "{count} ungelesen",
    select_message: "Auswählen",
    select_all: "Alle auswählen",
    with_selected: "Mit den ausgewählten Nachrichten",
    do_read: "Als gelesen markieren",
    do_unread: "Als ungelesen markieren",
    do_flag: "Kennzeichnen",
    do_unflag: "Kennzeichen entfernen",
    do_archive: "Archivieren",
    do_delete: "Löschen",
    do_restore: "In den Posteingang",
    do_erase: "Aus der Ansicht entfernen",
    flagged: "Gekennzeichnet",
    nothing_selected: "Haken Sie zuerst die Nachrichten an, dann sagen Sie, was mit ihnen \
        geschehen soll.",
    did_read_one: "Die Nachricht ist als gelesen markiert.",
    did_read: "{count} Nachrichten sind als gelesen markiert.",
    did_unread_one: "Die Nachricht ist als ungelesen markiert.",
    did_unread: "{count} Nachrichten sind als ungelesen markiert.",
    did_flag_one: "Die Nachricht ist gekennzeichnet.",
    did_flag: "{count} Nachrichten sind gekennzeichnet.",
    did_unflag_one: "Das Kennzeichen ist entfernt.",
    did_unflag: "Die Kennzeichen von {count} Nachrichten sind entfernt.",
    did_archive_one: "Die Nachricht ist im Archiv.",
    did_archive: "{count} Nachrichten sind im Archiv.",
    did_delete_one: "Die Nachricht ist in „Gelöscht“.",
    did_delete: "{count} Nachrichten sind in „Gelöscht“.",
    did_restore_one: "Die Nachricht ist wieder an ihrem Platz.",
    did_restore: "{count} Nachrichten sind wieder an ihrem Platz.",
    did_erase_one: "Die Nachricht wird hier nicht mehr gezeigt. Ihr Postfach bekommt sie trotzdem.",
    did_erase: "{count} Nachrichten werden hier nicht mehr gezeigt. Ihr Postfach bekommt sie \
        trotzdem.",
    search: "Post durchsuchen",
    search_title: "Suche",
    search_lead: "Sucht alle Wörter zusammen: in Absendern, Empfängern, Betreffen, Texten und \
        Dateinamen. Wörter in „Anführungszeichen“ stehen nebeneinander. Mit einem Namen davor \
        wird ein Wort nur an einer Stelle gesucht:",
    search_words: [
        ("from:anna", "im Namen oder in der Adresse des Absenders"),
        ("to:bob", "in den Namen oder Adressen der Empfänger"),
        ("subject:plan", "im Betreff"),
        ("file:.pdf", "in den Namen der Anhänge"),
        ("has:attachment", "nur mit Anhängen"),
        ("after:2026-05-31", "an diesem Tag oder später eingetroffen"),
        ("before:2026-05-31", "vor diesem Tag eingetroffen"),
    ],
    search_nothing_title: "Nichts gefunden",
    search_nothing: "Versuchen Sie es mit weniger oder kürzeren Wörtern. Post aus der Zeit, \
        bevor es diese Seite gab, ist nur in Ihrem gewohnten Postfach.",
    search_cut: "Alles seit {time} wurde durchsucht.",
    search_on: "Ältere Post durchsuchen",
    error_date: "„{word}“ hat kein lesbares Datum. Schreiben Sie es wie in after:2026-05-31.",
    drafts: "Entwürfe",
    settings: "Einstellungen",
    drafts_empty_title: "Keine Entwürfe",
    drafts_empty: "Nachrichten, die Sie beginnen, bleiben hier, bis Sie sie senden.",
    no_recipient: "(noch niemand)",
    came_back_mark: "Nicht gesendet",
    leaving_mark: "Geht in einigen Sekunden ab",
    forward: "Weiterleiten",
    forwarded: "Weitergeleitete Nachricht",
    sent_on: "Gesendet",
    bcc: "Blindkopie",
    show_bcc: "Verborgene Empfänger",
    bcc_help: "Niemand sieht, wer in diesem Feld steht.",
    find_people: "Personen suchen",
    find_label: "Name oder Adresse",
    find: "Suchen",
    found_help: "Haken Sie an, wer gemeint ist; mit dem nächsten Schritt steht er in „An“.",
    found_nobody: "Niemand gefunden.",
    files: "Dateien",
    files_help: "Höchstens {count} Dateien, zusammen {size}.",
    files_keep: "Entfernen Sie den Haken, um eine Datei wegzulassen.",
    choose_files: "Dateien hinzufügen",
    attach: "Anhängen",
    uploading: "Die Dateien sind unterwegs.",
    uploaded: "Angehängt:",
    upload_failed: "Die Dateien konnten nicht angehängt werden. Bitte versuchen Sie es noch \
        einmal.",
    save_draft: "Entwurf sichern",
    draft_saved: "Der Entwurf ist gesichert.",
    saved_at: "Gesichert um {time}",
    discarded: "Der Entwurf ist weg.",
    leaves_in: "Ihre Nachricht geht in {seconds} Sekunden ab.",
    undo: "Zurückrufen",
    undone: "Die Nachricht wurde nicht gesendet. Sie können sie ändern und noch einmal senden.",
    too_late: "Zu spät, um die Nachricht zurückzurufen: Sie ist schon abgegangen.",
    came_back: "Diese Nachricht wurde nicht gesendet: Als sie abgehen sollte, konnte jemand keine \
        Post bekommen, oder Ihr Konto war geschlossen. Prüfen Sie sie und senden Sie sie noch \
        einmal.",
    settings_saved: "Ihre Einstellungen sind gesichert.",
    signature: "Unterschrift",
    signature_help: "Steht unter neuen Nachrichten und Antworten.",
    save: "Sichern",
    error_signature: "Die Unterschrift ist zu lang: höchstens {most} Zeichen.",
    error_file_too_large: "„{name}“ wurde nicht angehängt: Die Dateien einer Nachricht können \
        zusammen {size} haben.",
    error_too_many_files: "Eine Nachricht kann höchstens {count} Dateien haben; einige wurden \
        nicht angehängt.",
    error_too_many_drafts: "Es gibt schon {most} Entwürfe. Senden oder verwerfen Sie zuerst \
        einige; kopieren Sie vorher Ihren Text.",
    error_uploads: "Sie haben so viel gespeichert, wie in einer Stunde erlaubt ist: Dateien und \
        lange Texte zählen. Was zu viel war, wurde nicht gespeichert; versuchen Sie es in einer \
        Stunde noch einmal.",
    error_enough: "In einer Stunde können Sie {most} Nachrichten an {recipients} Empfänger \
        senden. Ihre Nachricht bleibt in „Entwürfe“; senden Sie sie später.",
    settings_parts: "Einstellungen",
    general: "Allgemein",
    security: "Kennwort und Geräte",
    keys: "Tastatur",
    has_keys: "Einzelne Tasten sind Kurzbefehle",
    has_keys_help: "Schalten Sie das ab, wenn Sie mit Spracheingabe arbeiten oder wenn Tasten \
        etwas tun, das Sie nicht wollten.",
    keys_lead: "Diese Tasten gelten, solange Sie nicht in ein Feld schreiben. Tasten mit einem \
        Abstand dazwischen werden nacheinander gedrückt.",
    keys_off: "Sie sind im Augenblick abgeschaltet; „Allgemein“ schaltet sie ein.",
    keys_everywhere: "Überall",
    keys_of_pages: [
        ("c", "neue Nachricht schreiben"),
        ("/", "suchen"),
        ("g i", "zum Posteingang"),
        ("g s", "zu den gesendeten Nachrichten"),
        ("g d", "zu den Entwürfen"),
        ("g a", "zum Archiv"),
        ("g t", "zu den gelöschten Nachrichten"),
        ("z", "eine eben gesendete Nachricht zurückrufen"),
        ("?", "diese Seite zeigen"),
    ],
    keys_in_lists: "In Listen",
    keys_of_lists: [
        ("j", "nächste Nachricht"),
        ("k", "Nachricht davor"),
        ("o", "die Nachricht öffnen"),
        ("x", "die Nachricht auswählen"),
        ("e", "sie oder die Auswahl archivieren"),
        ("#", "löschen"),
        ("s", "kennzeichnen"),
        ("m", "als ungelesen markieren"),
    ],
    keys_in_messages: "In einer Nachricht",
    keys_of_messages: [
        ("r", "antworten"),
        ("a", "allen antworten"),
        ("f", "weiterleiten"),
        ("u", "zurück zur Liste"),
        ("e", "archivieren"),
        ("#", "löschen"),
        ("s", "kennzeichnen oder das Kennzeichen entfernen"),
        ("m", "als ungelesen markieren"),
    ],
    change_password: "Kennwort ändern",
    old_password: "Bisheriges Kennwort",
    password_away: "Dieses Kennwort lässt sich jetzt nicht prüfen. Bitte nehmen Sie das, das Sie \
        für diese Seite gewählt haben, oder einen Passkey.",
    password_wrong: "Das Kennwort stimmt nicht. Bitte geben Sie es noch einmal ein.",
    old_password_wrong: "Das bisherige Kennwort stimmt nicht. Bitte geben Sie es noch einmal ein.",
    change_password_help: "Überall sonst werden Sie dadurch abgemeldet.",
    password_changed: "Ihr Kennwort ist geändert. Überall sonst sind Sie abgemeldet.",
    sessions: "Wo Sie angemeldet sind",
    sessions_help: "Kennen Sie eine davon nicht, beenden Sie sie und ändern Sie Ihr Kennwort.",
    session_place: "seit {time}, von {address}",
    this_session: "Diese",
    unknown_device: "Unbekannter Browser",
    unknown_place: "einer unbekannten Adresse",
    end_session: "Dort abmelden",
    end_others: "Überall sonst abmelden",
    session_ended: "Die Anmeldung ist beendet.",
    sessions_ended: "Sie sind überall sonst abgemeldet.",
    weekdays: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    weekday_day: "{weekday}, {day}",
    second_step: "Zweiter Schritt beim Anmelden",
    second_about: "Ein Code aus einer App auf Ihrem Telefon, neben dem Kennwort: Wer nur Ihr \
        Kennwort kennt, kommt nicht hinein.",
    second_set_up: "Einrichten",
    second_setup_title: "Den zweiten Schritt einrichten",
    second_scan: "Öffnen Sie eine Authentifizierungs-App auf Ihrem Telefon und nehmen Sie mit \
        ihr dieses Bild auf.",
    second_picture: "Bild für die Authentifizierungs-App",
    second_type: "Oder geben Sie diesen Schlüssel in die App ein:",
    second_open: "Oder in einer App auf diesem Gerät öffnen",
    second_code: "Code, den die App jetzt zeigt",
    second_on: "Einschalten",
    second_off: "Abschalten",
    second_since: "Eingeschaltet seit {time}.",
    second_is_on: "Der zweite Schritt ist eingeschaltet.",
    second_is_off: "Der zweite Schritt ist abgeschaltet.",
    second_title: "Noch ein Schritt",
    second_lead: "Geben Sie den Code ein, den Ihre Authentifizierungs-App jetzt zeigt.",
    second_help: "Telefon nicht zur Hand? Ein Wiederherstellungscode gilt auch, einmal. Ohne \
        beides fragen Sie Ihre Betreuung.",
    code: "Code",
    code_wrong: "Der Code stimmt nicht. Codes wechseln alle 30 Sekunden: Geben Sie den ein, der \
        jetzt zu sehen ist.",
    cancel: "Abbrechen",
    passkeys: "Passkeys",
    changes_subject: "Ein Zugang zu Ihrer Notfall-Post hat sich geändert",
    changes: "Zum Postfach {address} hat sich ein Zugang zur Notfall-Post \
        geändert:\n\n{lines}\n\nWaren Sie das selbst, brauchen Sie nichts zu tun. Waren Sie es \
        nicht, sagen Sie es bitte gleich Ihrer Hilfestelle.\n\nDiese Nachricht kommt von einem \
        Programm. Niemand fragt Sie per Mail nach Ihrem Kennwort.",
    change_of_password: "Das Kennwort wurde geändert",
    change_by_invitation: "Mit einer Einladung wurde ein Kennwort gesetzt",
    change_passkey_added: "Ein Passkey wurde hinzugefügt",
    change_passkey_removed: "Ein Passkey wurde entfernt",
    change_passkeys_removed: "Alle Passkeys wurden entfernt",
    change_second_on: "Der zweite Schritt wurde eingeschaltet",
    change_second_off: "Der zweite Schritt wurde ausgeschaltet",
    change_codes: "Es wurden neue Wiederherstellungscodes gemacht",
    change_recovered: "Jemand hat sich mit einem Wiederherstellungscode angemeldet",
    change_provider: "Jemand hat sich zum ersten Mal mit {name} angemeldet",
    change_reset: "Die Hilfestelle hat die Anmeldung zurückgesetzt; Kennwort, zweiter Schritt \
        und Passkeys von vorher gelten nicht mehr",
    change_more: "und {count} weitere",
    passkeys_go: "Auch alle Passkeys entfernen",
    passkeys_go_help: "Sonst gelten sie neben dem neuen Kennwort weiter. Setzen Sie das \
        Häkchen, wenn vielleicht jemand anderer als Sie angemeldet war.",
    passkeys_about: "Anmelden mit Finger, Gesicht oder PIN Ihres Geräts, ohne Kennwort und Code. \
        Niemand kann einen Passkey erraten, und er gilt nur auf dieser Seite.",
    passkey_add: "Passkey hinzufügen",
    passkey_name: "Sein Name in Ihrer Liste",
    passkey_name_help: "Zum Beispiel „Laptop im Büro“ oder „Mein Telefon“.",
    passkey_go: "Weiter",
    passkey_missing: "Dieser Browser hat hier keine Passkeys: Sie brauchen Skript und eine \
        Adresse, die mit https beginnt.",
    passkey_not_made: "Es wurde kein Passkey hinzugefügt: Das Gerät hat abgelehnt oder nicht \
        rechtzeitig geantwortet. Bitte versuchen Sie es noch einmal.",
    passkey_on_device: "Auf diesem Gerät ist schon ein Passkey für Sie.",
    passkey_elsewhere: "Passkeys gelten nur auf {address}. Bitte öffnen Sie diese Seite.",
    provider_log_in: "Mit {name} anmelden",
    provider_away: "{name} ist jetzt nicht zu erreichen. Bitte nehmen Sie das Kennwort, das Sie \
        für diese Seite gewählt haben, oder einen Passkey.",
    provider_refused: "{name} hat Sie nicht angemeldet, oder Ihre Adresse dort hat hier kein \
        Postfach. Bitte fragen Sie Ihre Hilfestelle.",
    provider_stale: "Diese Anmeldung wurde nicht in diesem Browser begonnen, oder vor zu langer \
        Zeit. Bitte versuchen Sie es noch einmal.",
    passkey_log_in: "Mit Passkey anmelden",
    passkey_not_used: "Es kam kein Passkey. Versuchen Sie es noch einmal, oder nehmen Sie Ihr \
        Kennwort.",
    passkey_refused: "Dieser Passkey gilt hier nicht; vielleicht wurde er entfernt. Bitte nehmen \
        Sie Ihr Kennwort.",
    passkey_late: "Das hat zu lange gedauert. Bitte versuchen Sie es noch einmal.",
    passkey_copied: "Dieser Passkey wurde abgelehnt, weil es eine Kopie davon geben kann. Melden \
        Sie sich mit dem Kennwort an, und entfernen Sie ihn.",
    passkey_doubt: "Am {time} wurde eine Anmeldung damit abgelehnt, weil es eine Kopie davon geben \
        kann. Entfernen Sie ihn, und fügen Sie einen neuen hinzu.",
    passkeys_full: "Sie haben {count} Passkeys, mehr gehen nicht. Bitte entfernen Sie erst einen.",
    passkey_since: "hinzugefügt am {time}",
    passkey_used: "zuletzt benutzt am {time}",
    passkey_unused: "noch nicht benutzt",
    passkey_unnamed: "Passkey ohne Namen",
    passkey_is_added: "Der Passkey ist hinzugefügt. Ab jetzt können Sie sich damit anmelden.",
    passkey_is_removed: "Der Passkey ist hier entfernt. Löschen Sie ihn auch auf Ihrem Gerät.",
    passkey_remove: "Entfernen",
    codes_title: "Ihre Wiederherstellungscodes",
    codes_lead: "Mit jedem davon können Sie sich einmal ohne Ihr Telefon anmelden. Drucken Sie \
        sie jetzt aus oder schreiben Sie sie auf: Sie werden nicht noch einmal gezeigt.",
    codes_kept: "Ich habe sie aufgehoben",
    codes_new: "Neue Wiederherstellungscodes",
    codes_left: "{count} Wiederherstellungscodes sind übrig.",
    recovered: "Sie sind mit einem Wiederherstellungscode angemeldet; {count} \
        Wiederherstellungscodes sind übrig.",
    event_request: "Einladung",
    event_cancel: "Dieser Termin ist abgesagt",
    event_reply: "Antwort auf eine Einladung",
    event_publish: "Termin",
    event_when: "Wann",
    event_where: "Wo",
    event_organizer: "Eingeladen von",
    event_guests: "Gäste",
    event_unknown_time: "Zeit nicht bekannt",
    event_repeats: "{when}, und wieder",
    event_local: "{when}, nach den Uhren am Ort",
    event_accepted: "Zugesagt",
    event_tentative: "Unter Vorbehalt",
    event_declined: "Abgesagt",
    event_accept: "Zusagen",
    event_perhaps: "Vielleicht",
    event_decline: "Absagen",
    event_answered: "Ihre Antwort: {answer}, {time}.",
    event_answer_subject: "{answer}: {title}",
    doubts_title: "Sehen Sie den Absender zweimal an",
    doubt_name: "Der Name zeigt {shown}, aber die Nachricht kam von {real}.",
    doubt_likeness: "{domain} sieht aus wie {own} und ist es nicht.",
    doubt_outside: "Sie gibt an, von {domain} zu sein, kam aber von außen, und nichts beweist, \
        wer sie gesendet hat.",
    doubt_dmarc: "Eine Prüfung des Absenders ist fehlgeschlagen: {domain} sagt, dass es solche \
        Nachrichten nicht sendet.",
    doubt_filter: "Ein Inhaltsfilter hat in dieser Nachricht etwas Schädliches gefunden: {said}. \
        Öffnen Sie keinen Anhang, und folgen Sie keinem Link.",
    print: "Zum Drucken",
};
