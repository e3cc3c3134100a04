// Validates FHIR resources: {"r5": [definitions], "resources": {"r4": [...], "r5": [...]}} in, each one's messages out.
// The package validates R4 as it comes; for R5 it is given HL7's own definitions.
const fs = require("fs");
const { Fhir, ParseConformance, Versions } = require(process.argv[2]);

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
// As R4: that is where the package looks for the value sets of a definition, and R5 names them in the same place.
const definitions = new ParseConformance(false, Versions.R4);
definitions.parseBundle({ entry: asked.r5.map((resource) => ({ resource })) });
const validators = { r4: new Fhir(), r5: new Fhir(definitions) };
const told = {};
for (const [release, resources] of Object.entries(asked.resources)) {
  told[release] = resources.map(
    (resource) => validators[release].validate(resource, { errorOnUnexpected: true }).messages,
  );
}
fs.writeSync(1, JSON.stringify(told));
