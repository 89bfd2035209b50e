"""What lspci prints for standard capabilities, written from the catalogue's fields. PCI Express is in words_pcie.py."""

from __future__ import annotations

from collections.abc import Iterator

from .reader import Reader
from .say import say

HT_NEW = (0x1A, 0x1C)  # Gen3 and power management, which lspci does not know
HT_REVISION = 0x22  # 1.02: from here on lspci shows all of a link


def pm(r: Reader) -> Iterator[str]:
    yield say(r, "Power Management version {pmc.version}")
    yield say(r, "Flags: PMEClk{pmc.pme_clock:+} DSI{pmc.dsi:+} D1{pmc.d1:+} D2{pmc.d2:+} AuxCurrent={pmc.aux_current}")
    yield say(
        r, "PME(D0{pmc.pme_d0:+},D1{pmc.pme_d1:+},D2{pmc.pme_d2:+},D3hot{pmc.pme_d3hot:+},D3cold{pmc.pme_d3cold:+})"
    )
    yield say(r, "Status: {pmcsr.power_state} NoSoftRst{pmcsr.no_soft_reset:+} PME-Enable{pmcsr.pme_enable:+}")
    yield say(r, "DSel={pmcsr.data_select} DScale={pmcsr.data_scale} PME{pmcsr.pme_status:+}")
    if r["bse"]:
        yield say(r, "Bridge: PM{bse.bpcc_enable:+} B3{bse.b2_b3:-}")


def agp(r: Reader) -> Iterator[str]:
    def rates(register: str) -> str:
        first = 4 if r["status.agp3"] and r["version.major"] >= 3 else 1
        set_ = [f"x{first << bit}" for bit, name in enumerate(("rate1", "rate2", "rate4")) if r[f"{register}.{name}"]]
        return "Rate=" + (",".join(set_) or "<none>")

    yield say(r, "AGP version {version.major:x}.{version.minor:x}")
    yield say(
        r, "Status: RQ={status.rq} Iso{status.isoch:+} ArqSz={status.arq_size} Cal={status.cal} SBA{status.sba:+}"
    )
    yield say(r, "ITACoh{status.ita_coh:+} GART64{status.gart64:+} HTrans{status.htrans:+} 64bit{status.addr64:+}")
    yield say(r, "FW{status.fw:+} AGP3{status.agp3:+} " + rates("status"))
    yield say(r, "Command: RQ={command.rq} ArqSz={command.arq_size} Cal={command.cal} SBA{command.sba:+}")
    yield say(r, "AGP{command.agp:+} GART64{command.gart64:+} 64bit{command.addr64:+} FW{command.fw:+}")
    yield rates("command")


def slotid(r: Reader) -> Iterator[str]:
    yield say(r, "Slot ID: {esr.nslots} slots, First{esr.first:+}, chassis {chassis}")


def msi(r: Reader) -> Iterator[str]:
    yield say(r, "MSI: Enable{ctrl.enable:+} Count={ctrl.multi_enable}/{ctrl.multi_capable}")
    yield say(r, "Maskable{ctrl.maskbit:+} 64bit{ctrl.addr64:+}")
    yield "Address: " + (r.shown("address_hi") if r["ctrl.addr64"] else "") + say(r, "{address:08x} Data: {data}")
    if r["ctrl.maskbit"]:
        yield say(r, "Masking: {mask} Pending: {pending}")


def pcix(r: Reader) -> Iterator[str]:
    if r.view.capability.name == "pcix" and "non-bridge" in r.theirs:  # by the header type, as the catalogue
        yield "PCI-X non-bridge device"
        yield say(r, "Command: DPERE{command.dperr_e:+} ERO{command.ero:+}")
        yield say(r, "RBC={command.max_read} OST={command.max_split}")
        yield say(r, "Status: Dev={status.bus}:{status.devfn} 64bit{status.bit64:+} 133MHz{status.mhz133:+}")
        yield say(r, "SCD{status.spl_disc:+} USC{status.unx_spl:+} DC={status.complex} DMMRBC={status.max_read}")
        yield say(r, "DMOST={status.max_split} DMCRS={status.max_cum} RSCEM{status.spl_err:+}")
        yield say(r, "266MHz{status.mhz266:+} 533MHz{status.mhz533:+}")
        return
    yield say(r, "PCI-X bridge device Secondary Status: 64bit{sec_status.bit64:+} 133MHz{sec_status.mhz133:+}")
    yield say(r, "SCD{sec_status.spl_disc:+} USC{sec_status.unx_spl:+} SCO{sec_status.spl_over:+}")
    yield say(r, "SRD{sec_status.spl_delay:+}")
    # lspci looks at three of the field's four bits, and knows the first four values by name
    low = r["sec_status.freq"] & 7
    names = ("conv", "66MHz", "100MHz", "133MHz")
    assert r["sec_status.freq"] > 3 or r.shown("sec_status.freq") == names[low]
    yield f"Freq={names[low] if low < 4 else f'?{low}'}"
    yield say(r, "Status: Dev={br_status.bus}:{br_status.devfn} 64bit{br_status.bit64:+} 133MHz{br_status.mhz133:+}")
    yield say(r, "SCD{br_status.spl_disc:+} USC{br_status.unx_spl:+} SCO{br_status.spl_over:+}")
    yield say(r, "SRD{br_status.spl_delay:+}")
    yield say(r, "Upstream: Capacity={upstream.capacity} CommitmentLimit={upstream.commitment}")
    yield say(r, "Downstream: Capacity={downstream.capacity} CommitmentLimit={downstream.commitment}")


def debug(r: Reader) -> Iterator[str]:
    yield say(r, "Debug port: BAR={port.bar} offset={port.offset}")


def ssvid(r: Reader) -> Iterator[str]:
    yield say(r, "Subsystem: {vendor}:{device}")


def msix(r: Reader) -> Iterator[str]:
    yield say(r, "MSI-X: Enable{ctrl.enable:+} Count={ctrl.table_size:d} Masked{ctrl.mask_all:+}").replace(
        f"Count={r['ctrl.table_size']}", f"Count={int(r.shown('ctrl.table_size'))}"
    )
    yield say(r, "Vector table: BAR={table.bir} offset={table.offset} PBA: BAR={pba.bir} offset={pba.offset}")


def sata(r: Reader) -> Iterator[str]:
    yield say(r, "SATA HBA v{revision.major}.{revision.minor}")
    place = r.shown("location.bar")
    yield place if place == "InCfgSpace" else say(r, f"BAR{place.removeprefix('BAR')}")
    if place.startswith("BAR"):  # lspci counts dwords
        yield say(r, "Offset={location.offset:08x}")


def af(r: Reader) -> Iterator[str]:
    yield "PCI Advanced Features"
    yield say(r, "AFCap: TP{cap.tp:+} FLR{cap.flr:+} AFCtrl: FLR{ctrl.flr:+} AFStatus: TP{status.tp:+}")


def ea(r: Reader) -> Iterator[str]:
    yield say(r, "Enhanced Allocation (EA): NumEntries={num_ent}")
    if "secondary=" in r.theirs:  # by the header type, as the catalogue
        yield f", secondary={r['bus.secondary']}, subordinate={r['bus.subordinate']}"
    places = {place.name for place in r.view.places()}
    for i in range(r["num_ent"]):
        yield say(r, f"Entry {i}: Enable{{ent{i}.enable:+}} Writable{{ent{i}.writable:+}} EntrySize={{ent{i}.size}}")
        yield say(r, f"BAR Equivalent Indicator: {{ent{i}.bei}}")
        yield say(r, f"PrimaryProperties: {{ent{i}.primary}} SecondaryProperties: {{ent{i}.secondary}}")
        yield "Base: " + (f"{r[f'base_hi{i}']:x}" if f"base_hi{i}" in places else "") + r.shown(f"base{i}.address")
        high = f"{r[f'max_offset_hi{i}']:x}" if f"max_offset_hi{i}" in places else ""
        yield f"MaxOffset: {high}{r.shown(f'max_offset{i}.offset')}"


def vndr(r: Reader) -> Iterator[str]:
    yield say(r, "Vendor Specific Information: Len={length:02x} <?>")


def ht_link(r: Reader, number: str, new: bool) -> Iterator[str]:
    ctl, cfg = f"link_control{number}", f"link_config{number}"
    name = f" {number}" if number else ""
    yield f"Link Control{name}: " + r.flags(
        ctl, "CFlE=crc_flood CST=crc_start CFE=crc_force <LkFail=link_fail Init=init EOC=eoc TXO=tx_off"
    )
    yield say(r, f"<CRCErr={{{ctl}.crc_error:x}}")
    if new:
        yield r.flags(ctl, "IsocEn=isoc LSEn=ldtstop_tristate ExtCTL=ext_ctl 64b=addr64")
    wide = say(
        r,
        f"MLWI={{{cfg}.max_width_in}} DwFcIn{{{cfg}.dw_fc_in:+}} MLWO={{{cfg}.max_width_out}} "
        f"DwFcOut{{{cfg}.dw_fc_out:+}} LWI={{{cfg}.width_in}} DwFcInEn{{{cfg}.dw_fc_in_enable:+}} "
        f"LWO={{{cfg}.width_out}} DwFcOutEn{{{cfg}.dw_fc_out_enable:+}}",
    )
    yield f"Link Config{name}: " + " ".join(word for word in wide.split() if new or not word.startswith("DwFc"))


def ht_frequency(r: Reader, number: str) -> Iterator[str]:
    name = f" {number}" if number else ""
    yield say(r, f"Link Frequency{name}: {{link_freq{number}.freq}}")
    errors = "<Prot=protocol_error <Ovfl=overflow_error <EOC=eoc_error CTLTm=ctl_timeout"
    yield f"Link Error{name}: {r.flags(f'link_freq{number}', errors)}"
    yield f"Link Frequency Capability{name}: " + r.flags(
        f"link_freq_cap{number}",
        "200MHz=f_200mhz 300MHz=f_300mhz 400MHz=f_400mhz 500MHz=f_500mhz 600MHz=f_600mhz 800MHz=f_800mhz "
        "1.0GHz=f_1000mhz 1.2GHz=f_1200mhz",
    )
    yield "1.4GHz- 1.6GHz- Vend-"  # lspci reads the register's lower byte alone


FEATURES = "IsocFC=isoc LDTSTOP=ldtstop CRCTM=crc_test ECTLT=ext_ctl 64bA=addr64 UIDRD=unitid_reorder"
ERRORS = (
    "PFlE=protocol_flood OFlE=overflow_flood PFE=protocol_fatal OFE=overflow_fatal EOCFE=eoc_fatal "
    "RFE=response_fatal CRCFE=crc_fatal SERRFE=serr_fatal CF=chain_fail RE=response_error PNFE=protocol_nonfatal "
    "ONFE=overflow_nonfatal EOCNFE=eoc_nonfatal RNFE=response_nonfatal CRCNFE=crc_nonfatal SERRNFE=serr_nonfatal"
)


def ht_slave(r: Reader) -> Iterator[str]:
    new = r["revision"] >= HT_REVISION
    yield "HyperTransport: " + r.shown("slave_command.type") + ("" if new else incomplete(r["revision"]))
    yield say(r, "Command: BaseUnitID={slave_command.base_unit_id} UnitCnt={slave_command.unit_count}")
    yield r.flags("slave_command", "MastHost=master_host DefDir=default_direction" + " DUL=drop_uninit" * new)
    yield from ht_link(r, "0", new)
    yield from ht_link(r, "1", new)
    yield say(r, "Revision ID: {revision.major}.{revision.minor}")
    if new:
        yield from ht_frequency(r, "0")
        yield "Feature Capability: " + r.flags("feature", FEATURES)
        yield from ht_frequency(r, "1")
        yield "Error Handling: " + r.flags("error_handling", ERRORS)
        yield say(
            r, "Prefetchable memory behind bridge Upper: {mem_base_upper}-{mem_limit_upper} Bus Number: {bus_number}"
        )


def ht_host(r: Reader) -> Iterator[str]:
    new = r["host_revision"] >= HT_REVISION
    yield "HyperTransport: " + r.shown("host_command.type") + ("" if new else incomplete(r["host_revision"]))
    yield "Command: " + r.flags("host_command", "WarmRst=warm_reset DblEnd=double_ended")
    if new:
        yield say(r, "DevNum={host_command.device_number}")
        yield r.flags("host_command", "ChainSide=chain_side HostHide=host_hide Slave=act_as_slave <EOCErr=eoc_error")
        yield r.flags("host_command", "DUL=drop_uninit")
    yield from ht_link(r, "", new)
    yield say(r, "Revision ID: {host_revision.major}.{host_revision.minor}")
    if new:
        yield from ht_frequency(r, "")
        yield "Feature Capability: " + r.flags(
            "host_feature", FEATURES + " ExtRS=ext_register_set UCnfE=upstream_config"
        )
        if r["host_feature.ext_register_set"]:
            yield "Error Handling: " + r.flags("error_handling_host", ERRORS)
            yield say(r, "Prefetchable memory behind bridge Upper: {host_mem_base_upper}-{host_mem_limit_upper}")


def incomplete(revision: int) -> str:
    return " !!! Possibly incomplete decoding" if revision >= 0x12 else ""


def ht(r: Reader) -> Iterator[str]:
    names = {place.name for place in r.view.places()}
    if "slave_command" in names:
        yield from ht_slave(r)
    elif "host_command" in names:
        yield from ht_host(r)
    elif "msi_flags" in names:
        yield say(r, "HyperTransport: {type.type} Enable{msi_flags.enable:+} Fixed{msi_flags.fixed:+}")
        if "msi_addr" in names:
            yield say(r, "Mapping Address Base: {msi_addr_hi}{msi_addr.address}")
    elif "own_revision" in names:
        yield say(r, "HyperTransport: {type.type}: {own_revision.major}.{own_revision.minor}")
    else:
        yield say(
            r, "HyperTransport: {type.type}" if r["type.type"] not in HT_NEW else "HyperTransport: #{type.type:02x}"
        )
