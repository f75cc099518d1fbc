# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool``: a calculator of payment cryptography for TEST data. It stores nothing and protects nothing.

Each noun is a module of its own, read only when it is chosen. It offers ``EXAMPLES`` (for its help) and ``VERBS``, a
mapping of names to :class:`hsm_sim.tool.verb.Verb`; what a verb calculates it writes on a
:class:`hsm_sim.tool.sheet.Sheet`, and the PINs and keys it needs come from :class:`hsm_sim.tool.secret_input.Secrets`.
"""

from typing import Final

NOUNS: Final[dict[str, tuple[str, str]]] = {
    "pinblock": ("hsm_sim.tool.pinblock", "PIN blocks: encode, decode, encipher, decipher, translate"),
    "dukpt": ("hsm_sim.tool.dukpt", "DUKPT keys, TDES and AES: initial key, working keys, the walk, the next KSN"),
    "mac": ("hsm_sim.tool.mac", "message authentication codes: make, verify"),
    "cvv": ("hsm_sim.tool.cvv", "card codes, CVV and CVC and their relatives: make, verify"),
    "pvv": ("hsm_sim.tool.pvv", "Visa PIN verification values: make, verify"),
    "offset": ("hsm_sim.tool.offset", "IBM 3624 PIN offsets and natural PINs: make, verify, pin, natural-pin"),
    "keyblock": ("hsm_sim.tool.keyblock", "key blocks, X9.143 and TR-31 and ISO 20038: show, unwrap, wrap"),
    "kcv": ("hsm_sim.tool.kcv", "check values of keys: make, verify"),
    "component": ("hsm_sim.tool.component", "keys in parts, XOR or m of n: make, join, share, combine"),
    "arqc": ("hsm_sim.tool.arqc", "EMV application cryptograms: make, verify, answer"),
}
"""Noun to its module and its line in the help."""
