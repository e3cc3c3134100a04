/**
 * A clinic's day, written against the types that `openapi-typescript` generates from the portal's
 * description, and called with `openapi-fetch`; checked by `tsc --strict`, run by Node.
 *
 * Arguments: the portal's address, a clinic and its bearer key, the id of another clinic. It prints
 * what it got as JSON. Errors: it ends with the answer of the first call that is refused where it
 * should not be.
 */

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./portal.js";

type Receipt = components["schemas"]["Receipt"];
type Status = components["schemas"]["Status"];
type ChangeEntry = components["schemas"]["ChangeEntry"];
type StaffDecision = components["schemas"]["StaffDecision"];
type StaffWithdrawal = components["schemas"]["StaffWithdrawal"];

const PATIENCE_MS = 120_000;
const PAUSE_MS = 500;
const QUESTION = "newsletter.email";
const SUBJECT = { email: "typescript.patient@example.org" };
const STRANGER = "nobody.asked@example.org";

/** Give one of the arguments. */
function argument(position: number): string {
  const given = process.argv[position];
  if (!given) throw new Error("usage: generated_program ADDRESS CLINIC KEY OTHER_CLINIC");
  return given;
}

const baseUrl = argument(2);
const clinic = argument(3);
const key = argument(4);
const otherClinic = argument(5);
const path = { clinic };

/** A client whose answers are JSON. */
function jsonClient(bearer: string): Client<paths, `application/${string}json`> {
  return createClient({ baseUrl, headers: { Authorization: `Bearer ${bearer}` } });
}

/** A client for tables: what it sends and gets is text, not put into JSON or taken out of it. */
function csvClient(bearer: string): Client<paths, "text/csv"> {
  return createClient({
    baseUrl,
    headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "text/csv", Accept: "text/csv" },
    bodySerializer: (body) => body,
  });
}

/** Give the data of an answer, or end with what the portal said against it. */
function expected<Data>(answer: { data?: Data; error?: unknown; response: Response }): Data {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status}: ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

const portal = jsonClient(key);
const tables = csvClient(key);

/** What the compiler has to refuse; it fails where one of these lines is no error. */
const REFUSED_BY_THE_COMPILER = [
  // @ts-expect-error - a channel that the portal does not know
  { channel: "telepathy" } satisfies Partial<StaffDecision>,
  // @ts-expect-error - a decision without the moment it was made
  { subject: SUBJECT, decisions: {}, channel: "phone" } satisfies StaffDecision,
  // @ts-expect-error - a state is one of seven words
  { state: "perhaps" } satisfies Partial<Status>,
  // @ts-expect-error - permitted or not is no text
  { permitted: "yes" } satisfies Partial<Status>,
];

async function record(): Promise<Receipt> {
  const body: StaffDecision = {
    subject: SUBJECT,
    decisions: { [QUESTION]: "yes" },
    channel: "in-person",
    effective_at: "2026-11-20T10:00:00Z",
    evidence: { witness: "Dr. Liepa" },
  };
  const address = "/v1/clinics/{clinic}/receipts";
  return expected(await portal.POST(address, { params: { path }, body }));
}

async function withdraw(): Promise<Receipt> {
  const body: StaffWithdrawal = {
    subject: SUBJECT,
    purposes: [QUESTION],
    channel: "in-person",
    effective_at: "2026-11-21T10:00:00Z",
    evidence: { witness: "Dr. Liepa" },
  };
  const address = "/v1/clinics/{clinic}/withdrawals";
  const answer = expected(await portal.POST(address, { params: { path }, body }));
  // A withdrawal by a contact that very many people share is answered before all have theirs.
  if (!("version" in answer)) throw new Error(`receipts of ${answer.id} are to follow`);
  return answer;
}

async function status(): Promise<Status> {
  const body = { subjects: [SUBJECT], purposes: [QUESTION] };
  const answer = await portal.POST("/v1/clinics/{clinic}/status", { params: { path }, body });
  const decision = expected(answer).results[0]?.decisions?.[QUESTION];
  if (!decision) throw new Error("no such subject or question");
  return decision;
}

async function scrub() {
  const answer = await tables.POST("/v1/clinics/{clinic}/scrub", {
    params: { path, query: { purpose: QUESTION } },
    body: `E-mail;Name\r\n${STRANGER};Nobody\r\n${SUBJECT.email};Tīna\r\n`,
    parseAs: "text",
  });
  const certificate = answer.response.headers.get("Consent-Certificate");
  return { rows: expected(answer), certificate };
}

async function links() {
  const body = { links: [{ ...SUBJECT, purposes: [QUESTION] }, { patient_ref: "ts-1" }] };
  const answer = await portal.POST("/v1/clinics/{clinic}/links", { params: { path }, body });
  return expected(answer).links;
}

async function linksOfTable(): Promise<string> {
  const answer = await tables.POST("/v1/clinics/{clinic}/links", {
    params: { path, query: { purposes: QUESTION } },
    body: `Email,Name\n${SUBJECT.email},Tīna\n`,
    parseAs: "text",
  });
  return expected(answer);
}

/** Read the changes until those of a receipt are there, some seconds after its signature. */
async function changesOf(receipt: string): Promise<ChangeEntry[]> {
  const deadline = Date.now() + PATIENCE_MS;
  let since: string | undefined;
  while (Date.now() < deadline) {
    const query = since === undefined ? {} : { since };
    const answer = await portal.GET("/v1/clinics/{clinic}/changes", { params: { path, query } });
    const { changes, cursor, more } = expected(answer);
    const found = changes.filter((change) => change.receipt_id === receipt);
    if (found.length > 0) return found;
    since = cursor;
    if (!more) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`receipt ${receipt} is not in the changes`);
}

async function exported() {
  const query = { purpose: QUESTION };
  const found = [];
  let cursor: string | undefined;
  do {
    const page = expected(
      await portal.GET("/v1/clinics/{clinic}/export", {
        params: { path, query: cursor === undefined ? query : { ...query, cursor } },
      }),
    );
    found.push(...page.contacts.filter((contact) => contact.email === SUBJECT.email));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

/** Make a key that may read receipts and nothing else, and try it. */
async function narrowKey(receipt: string) {
  const made = expected(
    await portal.POST("/v1/clinics/{clinic}/keys", {
      params: { path },
      body: { label: "Archive", kind: "program", scopes: ["receipts:read"] },
    }),
  );
  if (made.secret === null) throw new Error("a new key came without its secret");
  const narrow = jsonClient(made.secret);
  const { response: read } = await narrow.GET("/v1/clinics/{clinic}/receipts/{receipt}", {
    params: { path: { clinic, receipt } },
  });
  const { response: asked, error } = await narrow.POST("/v1/clinics/{clinic}/status", {
    params: { path },
    body: { subjects: [SUBJECT] },
  });
  return { scopes: made.scopes, read: read.status, asked: asked.status, title: error?.title };
}

/** Try the other clinic, whose the key is not. */
async function elsewhere(receipt: string): Promise<Record<string, number>> {
  const there = { clinic: otherClinic };
  const body = { subjects: [SUBJECT] };
  const asked = await portal.POST("/v1/clinics/{clinic}/status", { params: { path: there }, body });
  const scrubbed = await tables.POST("/v1/clinics/{clinic}/scrub", {
    params: { path: there, query: { purpose: QUESTION } },
    body: `E-mail\n${SUBJECT.email}\n`,
    parseAs: "text",
  });
  const changes = await portal.GET("/v1/clinics/{clinic}/changes", { params: { path: there } });
  const keys = await portal.GET("/v1/clinics/{clinic}/keys", { params: { path: there } });
  const read = await portal.GET("/v1/clinics/{clinic}/receipts/{receipt}", {
    params: { path: { ...there, receipt } },
  });
  return {
    status: asked.response.status,
    scrub: scrubbed.response.status,
    changes: changes.response.status,
    keys: keys.response.status,
    receipt: read.response.status,
  };
}

const recorded = await record();
const granted = await status();
const scrubbed = await scrub();
const made = await links();
const table = await linksOfTable();
const changes = await changesOf(recorded.id);
const contacts = await exported();
const narrow = await narrowKey(recorded.id);
const refused = await elsewhere(recorded.id);
const withdrawn = await withdraw();
const after = await status();
const scrubbedAfter = await scrub();

console.log(
  JSON.stringify({
    recorded,
    granted,
    scrubbed,
    links: made,
    table,
    changes,
    contacts,
    narrow,
    refused,
    withdrawn,
    after,
    scrubbedAfter,
    refusedByTheCompiler: REFUSED_BY_THE_COMPILER.length,
  }),
);
