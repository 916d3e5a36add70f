"""The tables of the ledger: what came in, how far it got, and what was really sent of it."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    bot TEXT NOT NULL,
    key TEXT NOT NULL,
    chat TEXT NOT NULL,
    user TEXT NOT NULL,
    kind TEXT NOT NULL,
    incoming TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'received',
    heard TEXT NOT NULL DEFAULT '',
    confidence REAL NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '',
    turn INTEGER NOT NULL DEFAULT 0,
    error_id TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    stages TEXT NOT NULL DEFAULT '{}',
    received_at REAL NOT NULL,
    transcribed_at REAL,
    answered_at REAL,
    spoken_at REAL,
    delivered_at REAL,
    UNIQUE (bot, key)
);
CREATE INDEX IF NOT EXISTS messages_chat ON messages (bot, chat, id);
CREATE INDEX IF NOT EXISTS messages_open ON messages (bot, state)
    WHERE state IN ('received', 'transcribed', 'answered', 'spoken');
CREATE INDEX IF NOT EXISTS messages_error ON messages (error_id) WHERE error_id != '';
CREATE TABLE IF NOT EXISTS parts (
    message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    raw TEXT NOT NULL,
    rendered TEXT NOT NULL,
    state TEXT NOT NULL,
    sent_id TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    after TEXT NOT NULL DEFAULT '',
    at REAL NOT NULL,
    PRIMARY KEY (message, number)
);
CREATE TABLE IF NOT EXISTS speech (
    message INTEGER PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    ogg BLOB NOT NULL,
    seconds REAL NOT NULL,
    waveform BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS chats (
    bot TEXT NOT NULL,
    chat TEXT NOT NULL,
    voice TEXT NOT NULL DEFAULT '',
    persona TEXT NOT NULL DEFAULT '',
    since INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (bot, chat)
);
CREATE TABLE IF NOT EXISTS strangers (
    bot TEXT NOT NULL,
    user TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (bot, user)
);
CREATE TABLE IF NOT EXISTS places (
    bot TEXT NOT NULL,
    chat TEXT NOT NULL,
    reached TEXT NOT NULL,
    PRIMARY KEY (bot, chat)
);
"""
