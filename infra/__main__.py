"""The operator's commands as a module: `python -m infra` is `consent operator`.

    consent operator publish my-clinic.yaml --author "Ieva Liepa" --approver "Juris Klusums"
    consent operator key create riga-aesthetics --label "Newsletter tool" --scopes status:read
    consent operator verify receipt.jws --jwks jwks.json

The commands are in `infra/operator`. What they are for: docs/clinics.md (notices and keys),
docs/operate.md (messages, counters, failures), docs/deploy.md (data keys, migration) and
docs/signatures.md (signatures).
"""

import sys

from infra.operator.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
