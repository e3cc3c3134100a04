"""The portal's command line. `python -m infra --help` lists the commands.

    python -m infra publish my-clinic.yaml --author "Ieva Liepa" --approver "Juris Klusums"
    python -m infra key create riga-aesthetics --label "Newsletter tool" --scopes status:read
    python -m infra verify receipt.jws --jwks jwks.json

The commands are in `infra/operator`; docs/operate.md describes them.
"""

import sys

from infra.operator.commands import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
