# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Card readers behind one port. Carries APDUs; understands none of them."""
