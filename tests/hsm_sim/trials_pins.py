# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Trials of the commands on PINs. A PIN under the LMK is own, so what goes in and what comes out is judged. No test."""

from tests.hsm_sim import oracle
from tests.hsm_sim.trials import Case, Expected, trial
from tests.hsm_sim.world import VARIANT, World

PSEC, DUKPT = "psec", "psec, pydukpt"
Asked = tuple[str, Expected]


def moved(world: World, clear: bytes, form: str, pin: str, account: str) -> Expected:
    """The answer with a translated block: of format 0 it is known; of format 3, which is random, what it holds."""
    if form == "01":
        return f"00{len(pin):02}{oracle.block_0(clear, pin, account)}01"

    def judge(answer: str) -> bool:
        outer = (answer[:4], answer[20:])
        return outer == (f"00{len(pin):02}", "47") and oracle.pin_of_block_3(clear, answer[4:20], account) == pin

    return judge


def kept(world: World, pin: str, account: str) -> Expected:
    """The answer with a PIN under the LMK: the unit's JG must make of it the block that psec makes."""
    zpk = world.key()

    def judge(answer: str) -> bool:
        sent = world.ask(f"JG{world.held('ZPK', zpk)}01{account}{answer[2:]}{world.tail}")
        return answer[:2] == "00" and sent == "00" + oracle.block_0(zpk, pin, account)

    return judge


def _translation(code: str, source: str) -> Case:
    def case(world: World) -> Asked:
        first, second = world.key(), world.key()
        pin, account, form = world.pin(), world.account(), world.draw.choice(("01", "47"))
        block, given = world.block(first, pin, account)
        keys = world.held(source, first) + world.held("ZPK", second)
        return f"{code}{keys}12{block}{given}{form}{account}{world.tail}", moved(world, second, form, pin, account)

    return case


trial("CA", PSEC)(_translation("CA", "TPK"))
trial("CC", PSEC)(_translation("CC", "ZPK"))


def _dukpt_block(world: World, pin: str, account: str) -> tuple[str, str, str]:
    """A BDK field, a serial number and the block under its key."""
    bdk, ksn = world.key(), world.ksn()
    return world.held("BDK", bdk), ksn, oracle.dukpt_block(bdk, bytes.fromhex(ksn), pin, account)


@trial("CI", DUKPT)
def ci(world: World) -> Asked:
    """From DUKPT to a ZPK."""
    zpk, pin, account, form = world.key(), world.pin(), world.account(), world.draw.choice(("01", "47"))
    bdk, ksn, block = _dukpt_block(world, pin, account)
    command = f"CI{bdk}{world.held('ZPK', zpk)}605{ksn}{block}{form}{account}{world.tail}"
    return command, moved(world, zpk, form, pin, account)


@trial("G0", DUKPT)
def g0(world: World) -> Asked:
    """From DUKPT to a ZPK, or to DUKPT."""
    pin, account = world.pin(), world.account()
    bdk, ksn, block = _dukpt_block(world, pin, account)
    if world.draw.random() < 0.5:
        other, other_ksn = world.key(), world.ksn()
        made = oracle.dukpt_block(other, bytes.fromhex(other_ksn), pin, account)
        flag = "" if world.form.in_blocks and not world.form.stored else "*"
        number = f"605{other_ksn}"
        command = f"G0{bdk}{flag}{world.held('BDK', other)}605{ksn}{number}{block}0101{account}{world.tail}"
        return command, f"00{len(pin):02}{made}01"
    zpk, form = world.key(), world.draw.choice(("01", "47"))
    command = f"G0{bdk}{world.held('ZPK', zpk)}605{ksn}{block}01{form}{account}{world.tail}"
    return command, moved(world, zpk, form, pin, account)


def _by_comparison(code: str, kind: str) -> Case:
    def case(world: World) -> Asked:
        clear, pin, account = world.key(), world.pin(), world.account()
        block, form = world.block(clear, pin, account)
        right = world.draw.random() < 0.5
        other = world.kept_pin(pin if right else world.wrong(pin), account)
        return f"{code}{world.held(kind, clear)}{block}{form}{account}{other}{world.tail}", "00" if right else "01"

    return case


trial("BC", PSEC)(_by_comparison("BC", "TPK"))
trial("BE", PSEC)(_by_comparison("BE", "ZPK"))


def _scheme(world: World, pin: str, account: str) -> tuple[bytes, str, str, int]:
    """A PVK, the fields of an IBM scheme, the right offset, and how many digits it covers."""
    pvk, digits = world.key(), world.draw.randint(4, len(pin))
    table, field = world.table()
    spread, validation = world.validation(account)
    return pvk, field + validation, oracle.ibm_offset(pvk, table, spread, pin[:digits]), digits


def _by_offset(code: str, kind: str) -> Case:
    def case(world: World) -> Asked:
        pin, account = world.pin(), world.account()
        pvk, scheme, offset, digits = _scheme(world, pin, account)
        right = world.draw.random() < 0.5
        given = (offset if right else world.wrong(offset)).ljust(12, "F")
        reference = world.held("IBM PVK", pvk)
        tail = f"{digits:02}{account}{scheme}{given}{world.tail}"
        if kind == "BDK":
            bdk, ksn, block = _dukpt_block(world, pin, account)
            mode, form = ("0", "01") if code == "GO" else ("", "")
            command = f"{code}{mode}{bdk}{reference}605{ksn}{block}{form}{tail}"
        else:
            clear = world.key()
            block, form = world.block(clear, pin, account)
            command = f"{code}{world.held(kind, clear)}{reference}12{block}{form}{tail}"
        return command, "00" if right else "01"

    return case


for _code, _kind in (("DA", "TPK"), ("EA", "ZPK"), ("CK", "BDK"), ("GO", "BDK")):
    trial(_code, PSEC if _kind != "BDK" else DUKPT)(_by_offset(_code, _kind))


def _by_pvv(code: str, kind: str) -> Case:
    def case(world: World) -> Asked:
        pin, account, index = world.pin(), world.account(), world.digits(1)
        pvk, of_account, mark = world.key(), account, ""
        if code in ("EC", "GQ") and world.draw.random() < 0.3:
            of_account = world.account()
            mark = ";" + of_account
        pvv = oracle.pvv(pvk, index, pin[:4], of_account)
        right = world.draw.random() < 0.5
        tail = f"{account}{mark}{index}{pvv if right else world.wrong(pvv)}{world.tail}"
        reference = world.held("PVK", pvk)
        if kind == "BDK":
            bdk, ksn, block = _dukpt_block(world, pin, account)
            mode, form = ("0", "01") if code == "GQ" else ("", "")
            command = f"{code}{mode}{bdk}{reference}605{ksn}{block}{form}{tail}"
        else:
            clear = world.key()
            block, form = world.block(clear, pin, account)
            command = f"{code}{world.held(kind, clear)}{reference}{block}{form}{tail}"
        return command, "00" if right else "01"

    return case


for _code, _kind in (("DC", "TPK"), ("EC", "ZPK"), ("CM", "BDK"), ("GQ", "BDK")):
    trial(_code, PSEC if _kind != "BDK" else DUKPT)(_by_pvv(_code, _kind))


@trial("BA", PSEC, (VARIANT,))
def ba(world: World) -> Asked:
    """A clear PIN in."""
    pin, account = world.pin(), world.account()
    return f"BA{pin.ljust(13, 'F')}{account}", kept(world, pin, account)


@trial("NG", PSEC)
def ng(world: World) -> Asked:
    """A clear PIN out, that came in a block that psec made."""
    zpk, pin, account = world.key(), world.pin(), world.account()
    block, form = world.block(zpk, pin, account)
    under_lmk = world.ask(f"JE{world.held('ZPK', zpk)}{block}{form}{account}{world.tail}")[2:]
    return f"NG{account}{under_lmk}{world.tail}", "00" + pin.ljust(13, "F")


@trial("JA", "psec (the length of what was drawn)")
def ja(world: World) -> Asked:
    """A random PIN: psec finds one of the length asked for in the block that JG makes of it."""
    zpk, account, length = world.key(), world.account(), world.draw.randint(4, 12)

    def judge(answer: str) -> bool:
        sent = world.ask(f"JG{world.held('ZPK', zpk)}01{account}{answer[2:]}{world.tail}")
        return answer[:2] == "00" and len(oracle.pin_of_block_0(zpk, sent[2:], account)) == length

    return f"JA{account}{length:02}{world.tail}", judge


def _under_lmk(code: str, kind: str) -> Case:
    def case(world: World) -> Asked:
        clear, pin, account = world.key(), world.pin(), world.account()
        block, form = world.block(clear, pin, account)
        return f"{code}{world.held(kind, clear)}{block}{form}{account}{world.tail}", kept(world, pin, account)

    return case


trial("JC", PSEC)(_under_lmk("JC", "TPK"))
trial("JE", PSEC)(_under_lmk("JE", "ZPK"))


@trial("JG", PSEC)
def jg(world: World) -> Asked:
    """A PIN from under the LMK into a block."""
    zpk, pin, account, form = world.key(), world.pin(), world.account(), world.draw.choice(("01", "47"))
    command = f"JG{world.held('ZPK', zpk)}{form}{account}{world.kept_pin(pin, account)}{world.tail}"
    if form == "01":
        return command, "00" + oracle.block_0(zpk, pin, account)
    return command, lambda answer: answer[:2] == "00" and oracle.pin_of_block_3(zpk, answer[2:], account) == pin


@trial("DE", PSEC)
def de(world: World) -> Asked:
    """An offset of a PIN under the LMK."""
    pin, account = world.pin(), world.account()
    pvk, scheme, offset, digits = _scheme(world, pin, account)
    under_lmk = world.kept_pin(pin, account)
    command = f"DE{world.held('IBM PVK', pvk)}{under_lmk}{digits:02}{account}{scheme}{world.tail}"
    return command, "00" + offset.ljust(12, "F")


@trial("BK", PSEC)
def bk(world: World) -> Asked:
    """An offset of a PIN in a block."""
    kind = world.draw.choice(("ZPK", "TPK"))
    clear, pin, account = world.key(), world.pin(), world.account()
    block, form = world.block(clear, pin, account)
    pvk, scheme, offset, digits = _scheme(world, pin, account)
    keys = world.code(kind) + world.held(kind, clear) + world.held("IBM PVK", pvk)
    return f"BK{keys}{block}{form}{digits:02}{account}{scheme}{world.tail}", "00" + offset.ljust(12, "F")


@trial("EE", PSEC)
def ee(world: World) -> Asked:
    """The PIN of an offset."""
    pin, account = world.pin(), world.account()
    pvk, scheme, offset, digits = _scheme(world, pin, account)
    command = f"EE{world.held('IBM PVK', pvk)}{offset.ljust(12, 'F')}{digits:02}{account}{scheme}{world.tail}"
    return command, kept(world, pin[:digits], account)


@trial("DG", PSEC)
def dg(world: World) -> Asked:
    """The PVV of a PIN under the LMK."""
    pvk, pin, account, index = world.key(), world.pin(), world.account(), world.digits(1)
    command = f"DG{world.held('PVK', pvk)}{world.kept_pin(pin, account)}{account}{index}{world.tail}"
    return command, "00" + oracle.pvv(pvk, index, pin[:4], account)


@trial("FW", PSEC)
def fw(world: World) -> Asked:
    """The PVV of a PIN in a block."""
    kind, index = world.draw.choice(("ZPK", "TPK")), world.digits(1)
    clear, pvk, pin, account = world.key(), world.key(), world.pin(), world.account()
    block, form = world.block(clear, pin, account)
    keys = world.code(kind) + world.held(kind, clear) + world.held("PVK", pvk)
    return f"FW{keys}{block}{form}{account}{index}{world.tail}", "00" + oracle.pvv(pvk, index, pin[:4], account)


@trial("CU", PSEC)
def cu(world: World) -> Asked:
    """A PIN change by PVV."""
    kind, index = world.draw.choice(("ZPK", "TPK")), world.digits(1)
    clear, pvk, account, pin, new = world.key(), world.key(), world.account(), world.pin(), world.pin()
    block, form = world.block(clear, pin, account)
    new_block = (oracle.block_0 if form == "01" else oracle.block_3)(clear, new, account)
    pvv, right = oracle.pvv(pvk, index, pin[:4], account), world.draw.random() < 0.7
    keys = world.code(kind) + world.held(kind, clear) + world.held("PVK", pvk)
    given = pvv if right else world.wrong(pvv)
    command = f"CU{keys}{block}{form}{account}{index}{given}{new_block}{world.tail}"
    return command, "00" + oracle.pvv(pvk, index, new[:4], account) if right else "01"


@trial("DU", PSEC)
def du(world: World) -> Asked:
    """A PIN change by offset."""
    kind = world.draw.choice(("ZPK", "TPK"))
    clear, account, pin = world.key(), world.account(), world.pin()
    pvk, digits, new = world.key(), world.draw.randint(4, len(pin)), world.digits(len(pin))
    table, closed = world.table()
    spread, validation = world.validation(account)
    old, after = (oracle.ibm_offset(pvk, table, spread, which[:digits]) for which in (pin, new))
    block, form = world.block(clear, pin, account)
    new_block = (oracle.block_0 if form == "01" else oracle.block_3)(clear, new, account)
    right = world.draw.random() < 0.7
    keys = world.code(kind) + world.held(kind, clear) + world.held("IBM PVK", pvk)
    given = (old if right else world.wrong(old)).ljust(12, "F")
    command = f"DU{keys}{block}{form}{digits:02}{account}{closed}{validation}{given}{new_block}{world.tail}"
    return command, "00" + after.ljust(12, "F") if right else "01"


@trial("BG", PSEC, (VARIANT,))
def bg(world: World) -> Asked:
    """A PIN from under the LMK before."""
    from tests.hsm_sim.trials_transport import BEFORE

    pin, account = world.pin(), world.account()
    under_old = BEFORE(f"BA{pin.ljust(13, 'F')}{account}")[2:]
    return f"BG{account}{under_old}", kept(world, pin, account)


@trial("QK", PSEC)
def qk(world: World) -> Asked:
    """A PIN moved to another account."""
    pin, account, other = world.pin(), world.account(), world.account()
    return f"QK{world.kept_pin(pin, account)}{account}{other}{world.tail}", kept(world, pin, other)


@trial("LO", "psec (published variant of the TDES key block LMK); own under the others")
def lo(world: World) -> Asked:
    """A decimalisation table: under the TDES key block LMK its cryptogram is known, else what it is used for judges."""
    pin, account = world.pin(), world.account()
    pvk, digits = world.key(), world.draw.randint(4, len(pin))
    table, _ = world.table()
    spread, validation = world.validation(account)
    offset = oracle.ibm_offset(pvk, table, spread, pin[:digits]).ljust(12, "F")

    def judge(answer: str) -> bool:
        if world.form.kind == "tdes" and answer[2:] != oracle.tdes_block_table(table):
            return False
        scheme = f"{digits:02}{account}{answer[2:]}{validation}"
        asked = f"DE{world.held('IBM PVK', pvk)}{world.kept_pin(pin, account)}{scheme}{world.tail}"
        return world.ask(asked) == "00" + offset

    return f"LO{table}{world.tail}", judge
