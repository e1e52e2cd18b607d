// Takes the official FranceConnect button out of @gouvfr/dsfr: its style sheet as it is, but for the faces and the logo, which it holds as
// data: addresses and our policy refuses. They become files beside it, byte for byte. Fails where the sheet is not as known: never half a button.
//
//     node requirements/franceconnect-button.mjs PACKAGE FOLDER
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";

const [from, into] = process.argv.slice(2);
const held = /url\("data:([^,"]*),([^"]*)"\)/g; // in the order of the sheet
const NAMES = ["regular.woff2", "bold.woff2", "logo.svg"];
const STARTS = ["wOF2", "wOF2", "<svg"];

let found = 0;
const sheet = readFileSync(`${from}/standalone/component/connect/connect.standalone.css`, "utf8").replace(
  held,
  (_all, kind, text) => {
    const body = kind.endsWith(";base64") ? Buffer.from(text, "base64") : Buffer.from(decodeURIComponent(text), "utf8");
    const name = NAMES[found];
    if (!name || body.toString("latin1", 0, 4) !== STARTS[found]) {
      throw new Error(`The style sheet of the button holds something else than known: ${kind}`);
    }
    found += 1;
    writeFileSync(`${into}/${name}`, body);
    // Caches keep it for a year: its address changes with it.
    return `url("${name}?v=${createHash("sha256").update(body).digest("hex").slice(0, 12)}")`;
  },
);
if (found !== NAMES.length || sheet.includes("data:")) {
  throw new Error(`The style sheet of the button holds ${found} files instead of ${NAMES.length}.`);
}
writeFileSync(`${into}/button.css`, sheet);
copyFileSync(`${from}/LICENSE.md`, `${into}/LICENSE.txt`);
