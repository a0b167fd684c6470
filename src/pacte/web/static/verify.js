/* Verifies a pacte proof or receipt in the browser, with nothing but WebCrypto: what pacte/verifier.py does, told in the
   same words. Nothing leaves the page. `pacteVerify(bytes, {kept, key, anchors})` answers the same report. */
"use strict";
(() => {
  const said = JSON.parse(document.getElementById("words").textContent);
  const FRENCH = said.lang === "fr", PROOF = "pacte-proof/1", RECEIPT = "pacte-receipt/1", EXPORT = "pacte-ledger/1";
  const LARGEST_PROOF = 64 * 1024 * 1024, DEEPEST = 64, BUCKET_BITS = 12, LONGEST_WORD = 128, SURELY_AN_INSTANT = 1e13;
  const MOST_PROBLEMS = 20, SHOWN_STRANGE = 20, A_MINUTE = 60e6;

  class Refused extends Error {
    constructor(code, parameters) { super(code); this.code = code; this.parameters = parameters; }
  }
  class Unable extends Error {}
  const refuse = (code, parameters = {}) => { throw new Refused(code, parameters); };
  const has = (value, name) => Object.hasOwn(value, name);
  const names = (value) => Object.keys(value).sort();
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const isText = (value) => typeof value === "string";
  const isInt = (value) => Number.isSafeInteger(value);
  const isCount = (value) => isInt(value) && value >= 0;
  const isHex = (length) => { const form = new RegExp(`^[0-9a-f]{${length}}$`); return (v) => isText(v) && form.test(v); };
  const listOf = (form) => (value) => Array.isArray(value) && value.every(form);

  /* --- bytes ------------------------------------------------------------------------------------------------------ */

  const utf8 = (text) => new TextEncoder().encode(text);
  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
  const same = (a, b) => a.length === b.length && a.every((byte, place) => byte === b[place]);
  const joined = (...parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) { whole.set(part, at); at += part.length; }
    return whole;
  };
  const base64 = (bytes) => btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  /* Strict base64: of the spellings of some bytes only the canonical one. */
  const unbase64 = (text) => {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) return null;
    const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return base64(raw) === text ? raw : null;
  };
  const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
  const leaf = (commitment) => sha256([0], commitment);
  const node = (left, right) => sha256([1], left, right);

  const decoded = (bytes) => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return refuse("form_json");
    }
  };
  const encoded = (text) => (/\p{Surrogate}/u.test(text) ? refuse("form_json") : utf8(text));

  /* --- JSON, in its one permitted spelling ------------------------------------------------------------------------ */

  function load(bytes) {
    const text = decoded(bytes);
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      refuse("form_json");
    }
    if (/\d[.eE]/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'))) refuse("form_json");
    const waiting = [[value, 0]];
    while (waiting.length) {
      const [one, depth] = waiting.pop();
      if (depth > DEEPEST || one === null || (typeof one === "number" && !isInt(one))) refuse("form_json");
      if (typeof one !== "object") continue;
      // eslint-disable-next-line no-control-regex
      if (!Array.isArray(one) && !Object.keys(one).every((name) => /^[\x00-\x7f]*$/.test(name))) refuse("form_json");
      for (const inner of Object.values(one)) waiting.push([inner, depth + 1]);
    }
    return value;
  }

  function spelled(value, indent, depth = 0) {
    if (isText(value) && /\p{Surrogate}/u.test(value)) refuse("form_json"); // half of a pair is no Unicode
    if (typeof value !== "object") return JSON.stringify(value === 0 ? 0 : value);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    const colon = indent ? ": " : ":";
    const parts = Array.isArray(value)
      ? value.map((one) => spelled(one, indent, depth + 1))
      : names(value).map((name) => JSON.stringify(name) + colon + spelled(value[name], indent, depth + 1));
    if (!parts.length) return open + close;
    const line = (deep) => (indent ? "\n" + " ".repeat(deep) : "");
    return open + line(depth + 1) + parts.join("," + line(depth + 1)) + line(depth) + close;
  }
  const canonical = (value) => encoded(spelled(value, false));
  const pretty = (value) => encoded(spelled(value, true) + "\n");
  const without = (document, name) => { const rest = { ...document }; delete rest[name]; return rest; };

  /* --- the form of things ----------------------------------------------------------------------------------------- */

  const PROOF_KEYS = {
    format: isText, vkey: isText, checkpoint: isText, entries: Array.isArray, membership: Array.isArray,
    facts: Array.isArray, rules: listOf(isObject), consistency: Array.isArray, subject: isHex(32), question: isObject,
    answers: Array.isArray, seal: isText,
  };
  const RECEIPT_KEYS = {
    format: isText, version: isText, jurisdiction: isText, consentTimestamp: isCount, collectionMethod: isText,
    consentReceiptID: isText, publicKey: isText, language: isText, piiPrincipalId: isHex(32),
    piiControllers: listOf(isObject), policyUrl: isText, services: listOf(isObject),
    sensitive: (value) => typeof value === "boolean", spiCat: listOf(isText), record: isObject, proof: isObject,
    seal: isText,
  };
  const ENTRY_KEYS = { index: isCount, entry: isObject, salt: isHex(32), tlog_proof: isText };
  const MEMBERSHIP_KEYS = {
    use: isHex(32), bucket: isCount, values: listOf(isHex(32)), path: listOf(isHex(64)), result: isText,
  };
  const FACT_KEYS = { index: isCount, nonce: isHex(64), facts: isObject };
  const CONSISTENCY_KEYS = { size: isCount, path: listOf(isHex(64)) };
  const ANCHOR_KEYS = { size: isCount, root: isHex(64), time: isInt, checkpoint: isText };
  const CONTINUES_KEYS = { origin: isText, vkey: isText, size: isCount, root: isHex(64) };
  const SET_KEYS = { root: isHex(64), size: isCount, buckets: (value) => value === 4096 };

  const keysAre = (value, form) => isObject(value) && names(value).join("\n") === names(form).join("\n");
  const allRight = (value, form) => Object.keys(form).every((name) => !has(value, name) || form[name](value[name]));
  const fits = (value, form) => keysAre(value, form) && allRight(value, form);
  function expect(value, form) {
    if (!keysAre(value, form)) refuse("form_keys");
    for (const name of Object.keys(form)) if (!form[name](value[name])) refuse("form_value", { name });
  }

  const LETTERS = {
    t: isText, i: isInt, n: isCount, p: isHex(32), d: isHex(64), l: listOf(isText), o: isObject,
    s: (value) => fits(value, SET_KEYS), c: (value) => fits(value, CONTINUES_KEYS),
  };
  const fields = (line) =>
    Object.fromEntries(line.split(" ").filter(Boolean).map((pair) => [pair.split(":")[0], LETTERS[pair.split(":")[1]]]));
  const COMMON = "v:n kind:t at:i role:t by:t", COMMON_OPTIONAL = "clock:i behalf:t jointly:t";
  const EVERY_VERSION = fields("v:n kind:t at:i");
  const FORMS = new Map();
  for (const [kind, line] of Object.entries(said.kinds)) {
    const [required, optional = ""] = line.split("|");
    const may = fields(`${COMMON_OPTIONAL} ${optional}`), must = fields(`${COMMON} ${required}`);
    for (const name of Object.keys(may)) delete must[name];
    FORMS.set(kind, { must, may });
  }
  const VARIANTS = new Map(Object.entries(said.variants));

  const understood = (entry) => {
    if (entry.v !== 1 || !FORMS.has(entry.kind)) return false;
    if (!VARIANTS.has(entry.kind)) return true;
    const [by, variants] = VARIANTS.get(entry.kind);
    return !has(entry, by) || !isText(entry[by]) || has(variants, entry[by]);
  };
  const unknownKeys = (entry) => {
    const { must, may } = FORMS.get(entry.kind);
    return names(entry).filter((name) => !has(must, name) && !has(may, name));
  };
  const whollyUnderstood = (entry) => understood(entry) && !unknownKeys(entry).length;
  const words = (line) => line.split(/[ |]+/).filter(Boolean);

  function fitsVariant(entry) {
    const [by, variants] = VARIANTS.get(entry.kind);
    const [needed, allowed = ""] = variants[entry[by]].split("|");
    const there = words(Object.values(variants).join(" ")).filter((name) => has(entry, name));
    const may = words(`${needed} ${allowed}`);
    return words(needed).every((name) => there.includes(name)) && there.every((name) => may.includes(name));
  }

  function checkEntry(entry, index) {
    const every = Object.keys(EVERY_VERSION).every((name) => has(entry, name));
    if (!every || !allRight(entry, EVERY_VERSION) || entry.v <= 0) refuse("entry_form", { index });
    if (!understood(entry)) return;
    const { must, may } = FORMS.get(entry.kind);
    const complete = Object.keys(must).every((name) => has(entry, name));
    if (!complete || !allRight(entry, { ...must, ...may })) refuse("entry_form", { index });
    if (VARIANTS.has(entry.kind) && !fitsVariant(entry)) refuse("entry_form", { index });
  }

  /* --- the Merkle tree (RFC 9162 §2.1) ---------------------------------------------------------------------------- */

  const halfOf = (size) => { let half = 1; while (half * 2 < size) half *= 2; return half; };

  async function included(hash, index, size, path, root) {
    if (!(index >= 0 && index < size)) return false;
    const turns = [];
    while (size > 1) {
      const half = halfOf(size), right = index >= half;
      turns.push(right);
      [index, size] = right ? [index - half, size - half] : [index, half];
    }
    if (turns.length !== path.length) return false;
    turns.reverse();
    for (const [place, sibling] of path.entries()) {
      hash = await (turns[place] ? node(sibling, hash) : node(hash, sibling));
    }
    return same(hash, root);
  }

  async function consistent(old, size, path, oldRoot, newRoot) {
    if (!(old > 0 && old <= size)) return false;
    const rest = [...path];
    const grown = await growth(old, size, rest, oldRoot, true);
    return grown !== null && !rest.length && same(grown[0], oldRoot) && same(grown[1], newRoot);
  }

  async function growth(old, size, path, oldRoot, whole) {
    if (old === size) {
      if (whole) return [oldRoot, oldRoot];
      return path.length ? Array(2).fill(path.pop()) : null;
    }
    if (!path.length) return null;
    const half = halfOf(size), sibling = path.pop();
    if (old <= half) {
      const grown = await growth(old, half, path, oldRoot, whole);
      return grown && [grown[0], await node(grown[1], sibling)];
    }
    const grown = await growth(old - half, size - half, path, oldRoot, false);
    return grown && [await node(sibling, grown[0]), await node(sibling, grown[1])];
  }

  async function checkMembership(item, sealed, subject) {
    const value = hex(await sha256(unhex(item.use), unhex(subject))).slice(0, 32);
    const ordered = item.values.every((one, place) => !place || item.values[place - 1] < one);
    const placed = [value, ...item.values].every((one) => parseInt(one.slice(0, 3), 16) === item.bucket);
    const answer = { present: true, absent: false }[item.result];
    const whole = ordered && placed && item.path.length === BUCKET_BITS && answer === item.values.includes(value);
    if (!whole) refuse("membership");
    let hash = await leaf(unhex(item.values.join("")));
    for (const [level, sibling] of item.path.map(unhex).entries()) {
      hash = await ((item.bucket >> level) & 1 ? node(sibling, hash) : node(hash, sibling));
    }
    if (hex(hash) !== sealed.root || item.values.length > sealed.size) refuse("membership");
  }

  /* --- keys, notes, checkpoints ----------------------------------------------------------------------------------- */

  async function verifies(key, message, signature) {
    try {
      key.known ??= crypto.subtle.importKey("raw", key.public, { name: "Ed25519" }, false, ["verify"]);
      return await crypto.subtle.verify({ name: "Ed25519" }, await key.known, signature, message);
    } catch {
      return false;
    }
  }

  async function parseKey(vkey) {
    const match = /^((?:[^\s+\x85]|\ufeff)+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/u.exec(vkey);
    const raw = match && unbase64(match[3]);
    if (!raw || raw[0] !== 1 || controls(match[1])) refuse("vkey");
    const id = (await sha256(utf8(match[1]), [10, 1], raw.slice(1))).slice(0, 4);
    if (hex(id) !== match[2] || [PROOF, RECEIPT].includes(match[1])) refuse("vkey");
    return { name: match[1], public: raw.slice(1), id, vkey };
  }

  const controls = (text) => Array.from(text).some((c) => c.codePointAt(0) < 32);

  async function checkSeal(document, form, key) {
    const signature = unbase64(document.seal);
    const message = () => joined(utf8(form + "\n"), canonical(without(document, "seal")));
    if (signature === null || !(await verifies(key, message(), signature))) refuse("seal");
  }

  async function openCheckpoint(note, key) {
    const gap = note.lastIndexOf("\n\n");
    if (gap < 0 || !note.endsWith("\n") || gap + 2 >= note.length || controls(note.replaceAll("\n", ""))) refuse("checkpoint");
    const text = note.slice(0, gap) + "\n";
    let signed = false;
    for (const line of note.slice(gap + 2, -1).split("\n")) {
      const [dash, name, ...more] = line.split(" ");
      const raw = unbase64(more.join(" "));
      if (dash !== "—" || !name || raw === null || raw.length < 5) refuse("checkpoint");
      if (name === key.name && same(raw.slice(0, 4), key.id)) {
        if (!(await verifies(key, encoded(text), raw.slice(4)))) refuse("checkpoint");
        signed = true;
      }
    }
    const lines = text.split("\n");
    const root = lines.length >= 4 && !lines.slice(0, -1).includes("") ? unbase64(lines[2]) : null;
    if (!signed || root === null || root.length !== 32 || lines[0] !== key.name) refuse("checkpoint");
    const size = /^(0|[1-9][0-9]{0,15})$/.test(lines[1]) ? Number(lines[1]) : NaN;
    if (!isInt(size)) refuse("checkpoint");
    return { size, root };
  }

  function parseTlogProof(text, index, checkpoint) {
    const gap = text.indexOf("\n\n"), lines = text.slice(0, Math.max(gap, 0)).split("\n");
    const wrong = gap < 0 || text.slice(gap + 2) !== checkpoint;
    if (wrong || lines[0] !== "c2sp.org/tlog-proof@v1" || lines[1] !== `index ${index}`) refuse("inclusion", { index });
    const path = lines.slice(2).map(unbase64);
    if (path.some((hash) => hash === null || hash.length !== 32)) refuse("inclusion", { index });
    return path;
  }

  function pathsOf(items, size) {
    const paths = new Map();
    for (const item of items) {
      if (!fits(item, CONSISTENCY_KEYS) || paths.has(item.size) || !(item.size > 0 && item.size <= size)) {
        refuse("consistency");
      }
      paths.set(item.size, item.path.map(unhex));
    }
    return paths;
  }

  async function openKept(bytes, key) {
    if (bytes[0] !== 123) return { ...(await openCheckpoint(decoded(bytes), key)), paths: new Map() };
    let document = load(bytes);
    if (isObject(document) && document.format === RECEIPT) document = document.proof;
    if (!isObject(document) || !isText(document.checkpoint) || !Array.isArray(document.consistency)) refuse("kept_form");
    const { size, root } = await openCheckpoint(document.checkpoint, key);
    return { size, root, paths: pathsOf(document.consistency, size) };
  }

  async function openAnchor(line, key) {
    const item = load(line);
    if (!isObject(item) || !same(canonical(item), line)) refuse("form_line");
    expect(item, ANCHOR_KEYS);
    const { size, root } = await openCheckpoint(item.checkpoint, key);
    if (size !== item.size || hex(root) !== item.root) refuse("checkpoint");
    return { size, root, time: item.time, paths: new Map() };
  }

  async function continues(one, other) {
    const [early, late] = one.size < other.size ? [one, other] : [other, one];
    if (early.size === late.size) return same(early.root, late.root);
    if (!late.paths.has(early.size)) return null;
    return consistent(early.size, late.size, late.paths.get(early.size), early.root, late.root);
  }

  /* --- words ------------------------------------------------------------------------------------------------------ */

  const asText = (value) => {
    if (value === true) return "True";
    if (value === false) return "False";
    if (value === undefined || value === null) return "None";
    return typeof value === "object" ? spelled(value, false) : String(value);
  };
  const printable = (value) => {
    const shown = Array.from(asText(value), (c) => (/[\p{C}\p{Z}]/u.test(c) && c !== " " && c !== "\u202f" ? "\ufffd" : c));
    return shown.length <= 2000 ? shown.join("") : shown.slice(0, 2000).join("") + "…";
  };
  const say = (code, parameters = {}) => said.words[code].replace(/\{(\w+)\}/g, (_, name) => printable(parameters[name]));
  const knows = (code) => has(said.words, code);
  const number = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, FRENCH ? "\u202f" : ",");
  const counted = (code, count, more = {}) => {
    const one = FRENCH ? count < 2 : count === 1;
    return say(`${code}_${one ? "one" : "many"}`, { count: number(count), ...more });
  };
  const label = (name) => (has(said.labels, name) ? said.labels[name] : name);
  const pair = (name, value) => `${label(name)}${FRENCH ? "\u202f: " : ": "}${value}`;
  const listed = (parts) => parts.join(FRENCH ? "\u202f; " : "; ");
  const seconds = (instant) => new Date(Math.floor(instant / 1e6) * 1000).toISOString().slice(0, 19);
  const knownTime = (instant) => instant !== undefined && instant !== null && isInt(instant);
  const time = (instant) => (knownTime(instant) ? `${seconds(instant).replace("T", " ")} UTC` : "?");
  const iso = (instant) => (knownTime(instant) ? `${seconds(instant)}Z` : "?");
  const day = (instant) => {
    if (!knownTime(instant)) return "?";
    const [year, month, date] = seconds(instant).slice(0, 10).split("-").map(Number);
    return `${FRENCH && date === 1 ? "1er" : date} ${said.months[month - 1]} ${year}`;
  };
  const moment = (instant, beside) =>
    day(instant) === day(beside) ? `${day(instant)}, ${time(instant).slice(11, 19)}` : day(instant);
  const word = (value) => {
    const letters = Array.from(value);
    return letters.length <= LONGEST_WORD ? value : letters.slice(0, LONGEST_WORD).join("") + "…";
  };
  const valueOf = (value) => {
    if (Array.isArray(value)) return value.map(asText).join(", ") || "-";
    if (isObject(value)) return names(value).map((name) => `${name} ${valueOf(value[name])}`).join(", ") || "-";
    return isText(value) ? label(value) : asText(value);
  };
  const isInstant = (value) => isInt(value) && Math.abs(value) >= SURELY_AN_INSTANT;

  const INSTANTS = "effective learned expires as_of until evidence_until suppressed_until backups_until".split(" ");
  const UNTOLD = "v kind at clock subject commit sealed set vkey format continues".split(" ");
  const ACTS =
    "given refused withdrawn objected objection_lifted objection_overruled restricted restriction_lifted".split(" ");
  const LOOSENING = ["given", "objection_lifted", "objection_overruled", "restriction_lifted"];

  function tellEntry(index, entry) {
    if (!understood(entry)) {
      return say("entry_strange", { index, at: time(entry.at), kind: word(entry.kind), version: entry.v });
    }
    const unknown = unknownKeys(entry);
    const details = names(entry)
      .filter((name) => !UNTOLD.includes(name) && !unknown.includes(name))
      .map((name) => pair(name, INSTANTS.includes(name) ? time(entry[name]) : valueOf(entry[name])));
    if (entry.kind === "choice" && !has(entry, "effective")) details.push(say("undated"));
    return say("entry", { index, at: time(entry.at), what: say(`kind_${entry.kind}`), details: listed(details) });
  }

  function plainly(entry, present, facts, tables) {
    const { kind } = entry;
    if (!understood(entry)) return say("plain_strange", { kind: word(kind) });
    let told;
    if (kind === "choice") told = plainChoice(entry);
    else if (kind === "use") told = plainUse(entry, present);
    else if (kind === "fact") told = facts ? say("plain_fact", { facts: plainFacts(facts) }) : say("plain_fact_sealed");
    else if (kind === "policy") told = say(tables.has(entry.rules) ? "plain_policy_rules" : "plain_policy");
    else if (kind === "erasure" && knows(`plain_erasure_${entry.step}`)) told = say(`plain_erasure_${entry.step}`);
    else if (kind === "keys" && knows(`plain_keys_${entry.step}`)) told = say(`plain_keys_${entry.step}`, entry);
    else if (kind === "stop" || kind === "stop_lifted") {
      told = say(`plain_${kind}`, { scope: purposeOf(entry.scope), reason: entry.reason });
    } else if (knows(`plain_${kind}`)) told = say(`plain_${kind}`, entry);
    else told = say(`kind_${kind}`);
    const more = aside(entry);
    return more.length ? `${told} (${more.join(", ")})` : told;
  }

  function plainChoice(entry) {
    if (!ACTS.includes(entry.act)) return say("kind_choice");
    const who = say(entry.voice === "guardian" ? "guardian" : "person");
    return say(`plain_${entry.act}`, { who, what: target(entry), reason: word(has(entry, "reason") ? entry.reason : "?") });
  }

  function plainUse(entry, present) {
    if (entry.mode === "one") return say("plain_use_one", { what: target(entry) });
    const code = present === "present" ? "plain_use_in" : present === "absent" ? "plain_use_out" : "plain_use";
    return say(code, { what: target(entry), people: counted("people", entry.set.size) });
  }

  function plainFacts(facts) {
    const told = [];
    for (const name of names(facts)) {
      const value = facts[name], bare = name.startsWith("person.") ? name.slice(7) : name;
      if (bare === "age" && value === "minor" && has(facts, "minor_until")) continue;
      let shown = valueOf(value);
      if (isInstant(value)) shown = day(value);
      else if (bare === "guardian") shown = `${Array.from(asText(value)).slice(0, 8).join("")}…`;
      told.push(knows(`plain_fact_${bare}`) ? say(`plain_fact_${bare}`, { value: shown }) : pair(bare, shown));
    }
    return told.join(", ") || "-";
  }

  function target(entry) {
    const told = [purposeOf(entry.purpose)], { channel, recipient } = entry;
    if (channel) told.push(say(knows(`by_${channel}`) ? `by_${channel}` : "by_channel", { channel }));
    if (recipient) told.push(say("to_recipient", { recipient }));
    return told.join(" ");
  }

  function purposeOf(purpose) {
    if (purpose === "*") return say("every_purpose");
    const code = `purpose_${purpose.replaceAll(":", "_")}`;
    return knows(code) ? say(code) : say("purpose", { purpose });
  }

  function aside(entry) {
    const { at, kind } = entry, told = [];
    const effective = kind === "use" ? entry.as_of : entry.effective;
    if (effective !== undefined && Math.abs(effective - at) > A_MINUTE) {
      told.push(say("aside_effective", { day: moment(effective, at) }));
    }
    if (kind === "choice") {
      if (effective === undefined) told.push(say("undated"));
      if (has(entry, "expires")) told.push(say("aside_until", { day: day(entry.expires) }));
      if (entry.act === "given") told.push(say("aside_proof", { grade: label(entry.grade) }));
      if (!entry.authenticated && LOOSENING.includes(entry.act)) told.push(say("aside_unauthenticated"));
      if (has(entry, "signal")) told.push(say("aside_signal", { signal: entry.signal }));
    }
    if (kind === "use" && entry.role === "processor") {
      told.push(say("aside_processor", { behalf: has(entry, "behalf") ? entry.behalf : "?" }));
    }
    if (kind === "policy" && has(entry, "advice")) told.push(say("aside_advice", { advice: label(entry.advice) }));
    if (has(entry, "evidence_until")) told.push(say("aside_evidence", { day: day(entry.evidence_until) }));
    if (kind === "fact" && has(entry, "source")) told.push(say("aside_source", { source: word(entry.source) }));
    if (has(entry, "continues")) {
      told.push(say("aside_continues", { log: entry.continues.origin, size: number(entry.continues.size) }));
    }
    if (!whollyUnderstood(entry)) told.push(say("aside_strange"));
    if (has(entry, "clock")) told.push(say("aside_clock", { clock: time(entry.clock) }));
    return told;
  }

  const isAnswer = (value, name) =>
    isObject(value) && value.answer === name && [0, 1, true, false].includes(value.permitted) && isText(value.reason);

  function plainAnswers(answers) {
    const known = answers.find((one) => isAnswer(one, "by_known")), right = answers.find((one) => isAnswer(one, "by_true"));
    if (!known || !right) return [say("answers", { count: answers.length })];
    if (Number(known.permitted) === Number(right.permitted) && known.reason === right.reason) {
      return [say("answer_both", { answer: plainAnswer(known) })];
    }
    return [say("answer_known", { answer: plainAnswer(known) }), say("answer_true", { answer: plainAnswer(right) })];
  }

  function plainAnswer(answer) {
    const because = `because_${answer.reason}`;
    let told = say(answer.permitted ? "answer_yes" : "answer_no");
    if (!answer.permitted) told += " " + say(knows(because) ? because : "because_other", { reason: answer.reason });
    const more = isText(answer.article) ? [plainArticle(answer)] : [];
    if (isCount(answer.entry)) more.push(say("aside_stands", { index: answer.entry }));
    return more.length ? `${told} (${more.join(", ")})` : told;
  }

  function plainArticle(answer) {
    const written = printable(answer.article), ofRegulation = answer.permitted && written.startsWith("Art. 6(1)(");
    const article = written
      .replaceAll("Art. ", say("article_art")).replaceAll(" to ", say("article_to")).replaceAll(" and ", say("article_and"));
    return ofRegulation ? say("article_gdpr", { article }) : article;
  }

  function contradicts(document, present) {
    const { use } = document.question, recorded = isText(use) ? present.get(use) : undefined;
    const answer = document.answers.find((one) => isAnswer(one, "by_known"));
    if (recorded === undefined || !answer || answer.reason === "evidence_expired") return false;
    return Boolean(answer.permitted) !== ["present", "one"].includes(recorded);
  }

  /* --- receipts --------------------------------------------------------------------------------------------------- */

  const CONSENTS = new Map(
    Object.entries({ given: "dpv:ConsentGiven", refused: "dpv:ConsentRefused", withdrawn: "dpv:ConsentWithdrawn" }));

  async function uuid(text) {
    const digits = hex(await sha256(utf8(`${RECEIPT}\n${text}`)));
    const variant = "89ab"[parseInt(digits[16], 16) & 3];
    return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-8${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
  }

  function at(value, path) {
    for (const step of path.split(" ")) {
      if (Array.isArray(value) ? !/^\d+$/.test(step) || Number(step) >= value.length : !isObject(value) || !has(value, step)) {
        return undefined;
      }
      value = value[step];
    }
    return value;
  }

  async function checkReceipt(receipt, proof, entries, key, size) {
    const index = has(proof.question, "entry") ? proof.question.entry : undefined;
    const entry = isCount(index) ? entries.get(index) : undefined;
    if (!entry || entry.kind !== "choice" || !understood(entry)) refuse("receipt_choice");
    const when = has(entry, "effective") ? entry.effective : entry.at, or = (name, other) => (has(entry, name) ? entry[name] : other);
    const id = await uuid(`${key.vkey}\n${index}\n${size}`), record = "record dpv:hasRecordOfActivity 0";
    const status = `${record} ${CONSENTS.has(entry.act) ? "dpv:hasConsentStatus" : "dpv:hasStatus"} 0`;
    const says = [
      ["version", "KI-CR-v1.1.0"],
      ["consentTimestamp", Math.max(0, Math.floor(when / 1e6))],
      ["consentReceiptID", id],
      ["publicKey", key.vkey],
      ["piiPrincipalId", proof.subject],
      ["services 0 purposes 0 consentType", entry.act === "given" ? "EXPLICIT" : entry.act.toUpperCase()],
      ["record dct:identifier", id],
      [`${record} dct:identifier`, await uuid(`${key.vkey}\n${index}`)],
      [`${record} dct:source`, `${key.name}#${index}`],
      [`${record} dpv:hasDataSubject dct:identifier`, proof.subject],
      [`${record} dpv:hasNotice dct:identifier`, or("notice", "not recorded")],
      [`${record} dpv:hasNotice dct:hasVersion`, or("notice_version", "not recorded")],
      [`${record} dpv:hasNotice dct:language`, or("locale", "und")],
      [`${record} dpv:hasProcess 0 dpv:hasPurpose dct:identifier`, entry.purpose],
      [`${status} @type 0`, CONSENTS.get(entry.act) ?? `pacte:${entry.act}`],
      [`${status} dpv:hasIndicationMethod`, entry.method],
      [`${status} dpv:isIndicatedAtTime`, iso(when)],
      [`${status} dct:valid`, has(entry, "expires") ? iso(entry.expires) : "until changed"],
    ];
    for (const [path, value] of says) {
      if (at(receipt, path) !== value) refuse("receipt_differs", { name: path.replaceAll(" ", "."), index });
    }
    return index;
  }

  /* --- the way through a file ------------------------------------------------------------------------------------- */

  class Run {
    constructor(outside) {
      this.outside = outside;
      this.shows = []; this.unshown = []; this.problems = []; this.failed = [];
      this.heading = []; this.lines = []; this.answers = []; this.limits = []; this.warnings = [];
    }
    problem(code, parameters) { this.failed.push(say(`part_${said.parts[code]}`)); this.problems.push(say(code, parameters)); }
    show(code, parameters) { this.shows.push(say(code, parameters)); }
    limit(code, parameters) {
      this.unshown.push(say(code, parameters));
      if (knows(`short_${code}`)) this.limits.push(say(`short_${code}`, parameters));
    }
    report() {
      if (this.problems.length) {
        const summary = { heading: [], entries: [], answers: [], does_not_show: [], warnings: [], failed: [...new Set(this.failed)] };
        return { ok: false, shows: [], does_not_show: [], problems: this.problems.slice(0, MOST_PROBLEMS), summary };
      }
      const summary = {
        heading: this.heading, entries: this.lines, answers: this.answers, does_not_show: this.limits,
        warnings: this.warnings, failed: [],
      };
      return { ok: true, shows: this.shows, does_not_show: this.unshown, problems: [], summary };
    }

    async verify(bytes) {
      if (bytes.length > LARGEST_PROOF) refuse("too_large");
      const document = load(bytes), isReceipt = isObject(document) && has(document, "format") && document.format === RECEIPT;
      if (!keysAre(document, isReceipt ? RECEIPT_KEYS : PROOF_KEYS)) refuse("form_keys");
      if (!same(pretty(document), bytes)) refuse("form_bytes");
      if (!isReceipt) return this.proof(document);
      expect(document, RECEIPT_KEYS);
      expect(document.proof, PROOF_KEYS);
      await checkSeal(document, RECEIPT, await parseKey(document.proof.vkey));
      return this.proof(document.proof, document);
    }

    async proof(document, receipt) {
      if (document.format !== PROOF) refuse("format");
      expect(document, PROOF_KEYS);
      const key = await parseKey(document.vkey);
      await checkSeal(document, PROOF, key);
      if (this.outside.key && this.outside.key.trim() !== document.vkey) this.problem("key_differs");
      const { size, root } = await openCheckpoint(document.checkpoint, key);
      this.size = size;
      const entries = await this.entries(document, size, root);
      const present = await this.membership(document, entries);
      const opened = await this.facts(document, entries);
      const tables = await this.rules(document, entries);
      checkBeginning(entries, key);
      this.strange([...entries].filter(([, entry]) => !whollyUnderstood(entry)));
      if (receipt) {
        const index = await checkReceipt(receipt, document, entries, key, size);
        this.heading.push(say("brief_receipt", { subject: document.subject, index }));
        this.show("receipt_agrees", { id: receipt.consentReceiptID, index });
        this.limit("receipt_words");
      } else this.heading.push(say("brief_person", { subject: document.subject }));
      const log = { log: key.name, key_id: hex(key.id), size: number(size) };
      this.heading.push(say(this.outside.key ? "brief_log_known" : "brief_log", log));
      const seen = await this.compare(document, key, size, root);
      this.show("proof_sealed", { ...log, size, root: hex(root) });
      const width = Math.max(0, ...[...entries.keys()].map((index) => `#${index}`.length));
      for (const [index, entry] of entries) {
        this.tell(index, entry, present, opened, tables);
        const inUse = entry.kind === "use" && understood(entry) ? present.get(entry.use) : undefined;
        const what = plainly(entry, inUse, opened.get(index), tables);
        this.lines.push(say("brief_entry", { index: `#${index}`.padEnd(width), day: day(entry.at), what }));
      }
      if (entries.size > 1) {
        const order = [...entries].map(([index, entry]) => `#${index} (${word(entry.kind)})`).join(", ");
        this.show("order", { order, size });
      }
      if (document.answers.length) {
        this.show("answers", { count: document.answers.length });
        this.answers.push(...plainAnswers(document.answers));
      }
      if (contradicts(document, present)) this.warnings.push(say("warn_contradicts"));
      this.closing(seen);
    }

    async entries(document, size, root) {
      const found = new Map(), uses = new Set();
      let last = -1, time = null;
      for (const item of document.entries) {
        expect(item, ENTRY_KEYS);
        const { index, entry } = item;
        if (index <= last) refuse("entries_order");
        last = index;
        checkEntry(entry, index);
        if (has(entry, "subject") && entry.subject !== document.subject) refuse("other_person", { index });
        if (time !== null && entry.at < time) refuse("time_back", { index });
        time = entry.at;
        if (entry.kind === "use" && understood(entry)) {
          if (uses.has(entry.use)) refuse("use_twice", { index });
          uses.add(entry.use);
        }
        const hash = await leaf(await sha256(unhex(item.salt), canonical(entry)));
        const path = parseTlogProof(item.tlog_proof, index, document.checkpoint);
        if (!(await included(hash, index, size, path, root))) refuse("inclusion", { index });
        found.set(index, entry);
      }
      return found;
    }

    async membership(document, entries) {
      const uses = [...entries.values()].filter((entry) => entry.kind === "use" && understood(entry));
      const sets = new Map(uses.filter((entry) => entry.mode === "set").map((entry) => [entry.use, entry.set]));
      const strange = new Set([...entries.values()].filter((entry) => !understood(entry)).map((entry) => entry.use).filter(isText));
      const found = new Map(uses.filter((entry) => entry.mode === "one").map((entry) => [entry.use, "one"]));
      for (const item of document.membership) {
        expect(item, MEMBERSHIP_KEYS);
        const sealed = sets.get(item.use);
        if (!sealed && strange.has(item.use) && !found.has(item.use)) continue;
        if (!sealed || found.has(item.use)) refuse("membership");
        await checkMembership(item, sealed, document.subject);
        found.set(item.use, item.result);
      }
      return found;
    }

    async facts(document, entries) {
      const found = new Map();
      for (const item of document.facts) {
        expect(item, FACT_KEYS);
        const { index } = item, entry = entries.get(index);
        if (entry && !understood(entry)) continue;
        if (!entry || entry.kind !== "fact" || found.has(index)) refuse("facts", { index });
        if (hex(await sha256(unhex(item.nonce), canonical(item.facts))) !== entry.commit) refuse("facts", { index });
        found.set(index, item.facts);
      }
      return found;
    }

    async rules(document, entries) {
      const wanted = new Set([...entries.values()].map((entry) => entry.rules).filter(isText)), found = new Set();
      for (const table of document.rules) found.add(hex(await sha256(canonical(table))));
      if (found.size !== document.rules.length || ![...found].every((one) => wanted.has(one))) refuse("rules");
      return found;
    }

    async keptOf(key) {
      const kept = [], anchored = [];
      for (const bytes of this.outside.kept) {
        try {
          kept.push(await openKept(bytes, key));
        } catch (refused) {
          if (!(refused instanceof Refused)) throw refused;
          this.problem(refused.code === "checkpoint" ? "kept_unsigned" : "kept_form");
        }
      }
      if (!this.outside.anchors) return [kept, anchored];
      const lines = [];
      let rest = this.outside.anchors;
      for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.slice(end + 1)) lines.push(rest.slice(0, end));
      if (!rest.length && lines.length && lines.at(-1).includes(0)) rest = lines.pop();
      for (const [place, line] of lines.entries()) {
        try {
          anchored.push(await openAnchor(line, key));
        } catch (refused) {
          if (!(refused instanceof Refused)) throw refused;
          this.problem("anchor_unsigned", { line: place + 1 });
        }
      }
      if (rest.length) this.limit("anchors_torn");
      if (!anchored.length) this.problem("anchors_empty");
      return [kept, anchored];
    }

    async compare(document, key, size, root) {
      const paths = pathsOf(document.consistency, size), [kept, anchored] = await this.keptOf(key);
      const within = anchored.filter((seen) => seen.size <= size);
      const latest = within.reduce((most, seen) => (!most || seen.size > most.size ? seen : most), null);
      const needed = [...kept, ...(latest ? [latest] : anchored.slice(0, 1))];
      const standing = [{ size, root, paths }], agreeing = [];
      let waiting = [...kept, ...anchored];
      while (waiting.length) {
        const left = [];
        for (const seen of waiting) {
          const known = [];
          for (const one of standing) known.push([one, await continues(one, seen)]);
          const torn = known.find(([, same]) => same === false)?.[0];
          if (known.every(([, same]) => same === null)) left.push(seen);
          else if (!torn) {
            agreeing.push(seen);
            if (seen.paths.size) standing.push(seen);
            if (seen.time !== undefined) this.show("continues_anchor", { size: seen.size, time: time(seen.time) });
            else this.show(seen.size > size ? "continues_later" : "continues", { size: seen.size });
          } else if (torn !== standing[0]) this.problem("forked_between", { size: seen.size, other: torn.size });
          else this.problem(seen.size > size ? "forked" : "rewritten", { size: seen.size, here: size });
        }
        if (left.length === waiting.length) break;
        waiting = left;
      }
      for (const seen of needed.filter((one) => waiting.includes(one))) {
        const later = seen.size > size && seen.time === undefined;
        this.problem(later ? "not_comparable_later" : "not_comparable", { size: seen.size, proof: size });
      }
      this.compared(agreeing, size);
      return needed.length > 0;
    }

    compared(agreeing, size) {
      const later = agreeing.filter((seen) => seen.time === undefined && seen.size > size);
      const anchored = agreeing.filter((seen) => seen.time !== undefined);
      const earlier = agreeing.filter((seen) => seen.time === undefined && seen.size <= size);
      const kinds = [], largest = (all) => number(Math.max(...all.map((seen) => seen.size)));
      if (anchored.length) {
        kinds.push(counted("brief_anchors", anchored.length, { day: day(Math.max(...anchored.map((seen) => seen.time))) }));
      }
      if (earlier.length) kinds.push(counted("brief_checkpoints", earlier.length, { size: largest(earlier) }));
      if (kinds.length) this.heading.push(say("brief_compared", { what: kinds.join(say("and")) }));
      if (later.length) this.heading.push(say("brief_compared_later", { size: largest(later) }));
    }

    tell(index, entry, present, opened, tables) {
      this.shows.push(tellEntry(index, entry));
      if (!understood(entry)) return;
      if (has(entry, "clock")) this.show("skewed", { index, clock: time(entry.clock) });
      if (has(entry, "continues")) {
        const { origin, size, root } = entry.continues;
        this.show("replaces", { index, log: origin, size, root });
      }
      if (entry.kind === "use") {
        if (present.has(entry.use)) this.show(present.get(entry.use), { index, size: entry.set?.size });
        else this.limit("not_member", { index });
        if (tables.has(entry.rules)) this.show("rules_shown", { index, rules: entry.rules });
        else this.limit("not_rules", { index });
      }
      if (entry.kind === "fact") {
        if (!opened.has(index)) return this.limit("not_facts", { index });
        const told = opened.get(index), shown = (value) => (isInstant(value) ? time(value) : Array.isArray(value) ? valueOf(value) : asText(value));
        this.show("facts_opened", { index, facts: names(told).map((name) => `${name} = ${shown(told[name])}`).join(", ") });
      }
    }

    strange(unknown) {
      for (const [index, entry] of unknown.slice(0, SHOWN_STRANGE)) {
        const named = { index, kind: entry.kind, version: entry.v };
        if (understood(entry)) this.limit("not_keys", { ...named, keys: unknownKeys(entry).join(", ") });
        else this.limit("not_understood", named);
      }
      if (unknown.length > SHOWN_STRANGE) this.limit("not_understood_more", { count: unknown.length - SHOWN_STRANGE });
      if (unknown.length) this.warnings.push(counted("warn_strange", unknown.length));
    }

    closing(seen) {
      const { kept, key, anchors } = this.outside;
      if (!kept.length && !key && !anchors) {
        this.limit("nothing_outside");
        this.warnings.push(say("warn_nothing"));
      } else if (!seen) {
        this.limit("only_key");
        this.warnings.push(say("warn_only_key"));
      } else if (!key) this.warnings.push(say("warn_no_key"));
      for (const code of ["not_omission", "not_truth", "not_identity", anchors ? "not_time_anchored" : "not_time"]) this.limit(code);
    }
  }

  function checkBeginning(entries, key) {
    const begun = [...entries].filter(([, entry]) => entry.kind === "genesis");
    const wrong = entries.has(0) && entries.get(0).kind !== "genesis";
    if (wrong || begun.some(([index, entry]) => index && !has(entry, "continues"))) refuse("genesis");
    const last = begun.at(-1)?.[1];
    if (last && (last.origin !== key.name || last.vkey !== key.vkey)) refuse("genesis");
  }

  /* Whether this browser can do what it must: RFC 8032's first test vector. */
  async function able() {
    if (!globalThis.crypto?.subtle) throw new Unable(said.page.no_crypto);
    const key = { public: unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a") };
    const signature = unhex(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    if (!(await verifies(key, new Uint8Array(), signature))) throw new Unable(said.page.no_ed25519);
  }

  let ability;
  async function verify(bytes, { kept = [], key = "", anchors = null } = {}) {
    await (ability ??= able());
    const run = new Run({ kept, key, anchors });
    try {
      await run.verify(bytes);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      run.problem(refused.code, refused.parameters);
    }
    return { ...run.report(), size: run.size };
  }
  globalThis.pacteVerify = verify;

  /* --- the page --------------------------------------------------------------------------------------------------- */

  const form = document.getElementById("verify");
  if (!form) return;
  const result = document.getElementById("result"), drop = document.getElementById("drop");
  const made = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  /* The options of the command line are fields here. */
  const plain = (line) => Object.entries(said.page.options).reduce((all, [option, field]) => all.replaceAll(option, field), line);
  const list = (lines, tag = "ul") => { const all = made(tag); all.append(...lines.map((line) => made("li", line))); return all; };
  const read = async (file) => new Uint8Array(await file.arrayBuffer());
  const isAnchors = (bytes) => /^\{"checkpoint":"[^\n]*","root":"[0-9a-f]{64}","size":\d+,"time":-?\d+\}\n/.test(
    new TextDecoder().decode(bytes.slice(0, 4096)));
  const isExport = (bytes) => new TextDecoder().decode(bytes.slice(0, 40)).startsWith(`{"format":"${EXPORT}"`);

  const vkeyOf = (bytes) => { const file = JSON.parse(new TextDecoder().decode(bytes)); return (file.proof ?? file).vkey; };

  function show(parts) {
    result.replaceChildren(...parts);
    result.hidden = false;
    result.focus();
  }
  const unable = (words) => show([made("h2", said.page.unable), made("p", words, "problem")]);

  function told(report, vkey) {
    const brief = report.summary, parts = [made("h2", say(report.ok ? "verifies" : "fails"), report.ok ? "yes" : "no")];
    if (!report.ok) {
      parts.push(made("p", say("head_failed", { parts: brief.failed.join(", ") })), list(report.problems.map(plain)));
      return [...parts, made("p", say("unreliable"))];
    }
    // The last 44 signs are the key itself: a restored log has another name, and the same one.
    if (vkey.slice(-44) !== said.page.vkey.slice(-44)) parts.push(made("p", said.page.foreign, "problem"));
    if (brief.warnings.length) parts.push(list(brief.warnings.map(plain)));
    parts.push(...brief.heading.map((line) => made("p", line)));
    if (brief.entries.length) parts.push(list(brief.entries));
    parts.push(...brief.answers.map((line) => made("p", line)));
    const all = made("details");
    all.append(made("summary", said.page.details), made("h3", say("head_shows")), list(report.shows),
      made("h3", say("head_not")), list(report.does_not_show));
    return [...parts, made("p", say("head_brief_not", { what: listed(brief.does_not_show) })), all];
  }

  async function check(more = []) {
    result.hidden = true; // what was said of another file is not said of this one
    result.replaceChildren();
    const [file] = form.elements.file.files;
    if (!file) {
      form.elements.file.focus();
      return show([made("p", said.page.choose, "problem")]);
    }
    try {
      const bytes = await read(file), brought = await Promise.all([...form.elements.kept.files].map(read));
      if (isExport(bytes)) return unable(said.page.is_export);
      const kept = [...brought.filter((one) => !isAnchors(one)), ...more];
      const anchors = brought.find(isAnchors) ?? null;
      const report = await verify(bytes, { kept, key: form.elements.key.value.trim(), anchors });
      show(told(report, report.ok ? vkeyOf(bytes) : ""));
      const present = document.getElementById("present");
      if (present) {
        present.parentElement.hidden = !report.ok;
        present.dataset.size = report.size;
      }
    } catch (failed) {
      unable(failed instanceof Unable ? failed.message : said.page.unreadable);
    }
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); check(); });
  for (const kind of ["dragover", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      if (kind === "drop" && event.dataTransfer.files.length) {
        form.elements.file.files = event.dataTransfer.files;
        check();
      }
    });
  }
  document.getElementById("present")?.addEventListener("click", async (event) => {
    try {
      const answer = await fetch(`/checkpoint/since/${event.currentTarget.dataset.size}`);
      if (!answer.ok) return unable(said.page.no_present);
      await check([new Uint8Array(await answer.arrayBuffer())]);
    } catch {
      unable(said.page.no_present);
    }
  });
  form.hidden = false;
  able().catch((failed) => unable(failed.message));
})();
