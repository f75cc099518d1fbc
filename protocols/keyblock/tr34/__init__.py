# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key transport by certificates: TR-34 tokens for both ends. Opens no connection, keeps no clock and no store.

ASC X9 TR-34:2019 brings the first symmetric key into a device without a person. A key distribution host (KDH) and a key
receiving device (KRD) have certificates below one root:

* The KRD is *bound* to a KDH: it takes the credential token with the KDH's certificate and the revocation list.
* A key comes in two passes (the KRD sends a random number first, the token signs it) or in one (the token signs a
  time). The token is CMS: a signature by the KDH around an envelope for the KRD, around the clear key and a key block
  header that says what the key is. Header and signer's name are inside and outside, so neither can be exchanged.
* *Rebinding* names another KDH, *unbinding* none. Both are signed by the KDH, or without it by the device's authority.

:mod:`.cms` has the structures, :mod:`.trust` the certificates, :mod:`.tokens` what each token is made of,
:mod:`.receiver` and :mod:`.distributor` the two ends.

RSA encipherment (OAEP) draws its randomness inside ``cryptography``; all other randomness and every moment in time are
arguments.
"""
