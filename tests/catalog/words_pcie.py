"""What lspci prints for a PCI Express capability, written from the catalogue's fields."""

from __future__ import annotations

from collections.abc import Iterator

from .reader import Reader
from .say import say

ENDPOINT, LEGACY, ROOT, UPSTREAM, DOWNSTREAM, TO_PCI, TO_PCIE, RCIEP = 0, 1, 4, 5, 6, 7, 8, 9


def power(r: Reader, register: str) -> str:
    """A slot's power limit in watts."""
    reserved = r[f"{register}.pwr_val"] == 0xFF and not r[f"{register}.pwr_scl"]
    return ">600W" if reserved else r.shown(f"{register}.pwr_val")


def device(r: Reader, kind: int) -> Iterator[str]:
    yield say(r, "DevCap: MaxPayload {devcap.mps}, PhantFunc ") + str((1 << r["devcap.phantom"]) - 1)
    if kind in (ENDPOINT, LEGACY):
        yield say(r, ", Latency L0s {devcap.l0s_latency}, L1 {devcap.l1_latency}")
    yield say(r, "ExtTag{devcap.ext_tag:+}")
    if kind in (ENDPOINT, LEGACY, UPSTREAM, TO_PCI):
        yield r.flags("devcap", "AttnBtn=atn_but AttnInd=atn_ind PwrInd=pwr_ind")
    yield say(r, "RBE{devcap.rber:+}")
    if kind in (ENDPOINT, LEGACY, RCIEP):
        yield say(r, "FLReset{devcap.flr:+}")
    if kind in (ENDPOINT, UPSTREAM, TO_PCI):
        yield "SlotPowerLimit " + power(r, "devcap")
    yield say(r, "TEE-IO{devcap.tee:+}")
    errors = "CorrErr={0} NonFatalErr={1} FatalErr={2} UnsupReq={3}"
    yield "DevCtl: " + r.flags("devctl", errors.format("cere", "nfere", "fere", "urre"))
    yield r.flags("devctl", "RlxdOrd=relax_en ExtTag=ext_tag PhantFunc=phantom AuxPwr=aux_pme NoSnoop=nosnoop_en")
    if kind == TO_PCI:
        yield say(r, "BrConfRtry{devctl.flr:+}")
    if kind in (ENDPOINT, LEGACY, RCIEP) and r["devcap.flr"]:
        yield say(r, "FLReset{devctl.flr:+}")
    yield say(r, "MaxPayload {devctl.mps}, MaxReadReq {devctl.readrq}")
    yield "DevSta: " + r.flags("devsta", errors.format("ced", "nfed", "fed", "urd") + " AuxPwr=auxpd TransPend=trpnd")


def link(r: Reader, kind: int) -> Iterator[str]:
    yield say(r, "LnkCap: Port #{lnkcap.port}, Speed {lnkcap.speed}, Width {lnkcap.width}, ASPM {lnkcap.aspm}")
    exits = [say(r, f"{name} {{lnkcap.{path}}}") for bit, name, path in LATENCIES if r["lnkcap.aspm"] & bit]
    if exits:
        yield ", Exit Latency " + ", ".join(exits)
    yield r.flags("lnkcap", "ClockPM=clkpm Surprise=sderc LLActRep=dlllarc BwNot=lbnc ASPMOptComp=aspm_opt")
    yield say(r, "LnkCtl: ASPM {lnkctl.aspm};")
    if kind in (ENDPOINT, LEGACY, ROOT, TO_PCI):
        yield say(r, "RCB {lnkctl.rcb},")
    yield r.flags("lnkctl", "LnkDisable=link_disable CommClk=common_clock ExtSynch=ext_synch ClockPM=clkpm")
    yield r.flags("lnkctl", "AutWidDis=hawd BWInt=lbmie AutBWInt=labie FltModeDis=flit_disable")
    speed = compared(kind, r["lnksta.speed"], r["lnkcap.speed"])
    width = compared(kind, r["lnksta.width"], r["lnkcap.width"])
    yield say(r, f"LnkSta: Speed {{lnksta.speed}}{speed}, Width {{lnksta.width}}{width}")
    yield r.flags(
        "lnksta", "TrErr=training_error Train=training SlotClk=slot_clock DLActive=dllla BWMgmt=lbms ABWMgmt=labs"
    )


LATENCIES = ((1, "L0s", "l0s_exit"), (2, "L1", "l1_exit"))


def compared(kind: int, now: int, most: int) -> str:
    """A port above the link is not downgraded: its partner may be a slower device."""
    if now > most:
        return " (overdriven)"
    return " (downgraded)" if now < most and kind not in (ROOT, DOWNSTREAM, TO_PCIE) else ""


def slot(r: Reader) -> Iterator[str]:
    yield "SltCap: " + r.flags(
        "sltcap", "AttnBtn=abp PwrCtrl=pcp MRL=mrlsp AttnInd=aip PwrInd=pip HotPlug=hpc Surprise=hps"
    )
    yield say(r, "Slot #{sltcap.psn}, PowerLimit ") + power(r, "sltcap")
    yield say(r, "; Interlock{sltcap.eip:+} NoCompl{sltcap.nccs:+}")
    yield "SltCtl: Enable: " + r.flags(
        "sltctl", "AttnBtn=abpe PwrFlt=pfde MRL=mrlsce PresDet=pdce CmdCplt=ccie HPIrq=hpie LinkChg=dllsce"
    )
    yield say(r, "Control: AttnInd {sltctl.aic}, PwrInd {sltctl.pic}, Power{sltctl.pcc:+} Interlock{sltctl.eic:+}")
    yield "SltSta: Status: " + r.flags(
        "sltsta", "AttnBtn=abp PowerFlt=pfd MRL=mrlss CmdCplt=cc PresDet=pds Interlock=eis"
    )
    yield "Changed: " + r.flags("sltsta", "MRL=mrlsc PresDet=pdc LinkState=dllsc")


def root(r: Reader) -> Iterator[str]:
    yield say(r, "RootCap: CRSVisible{rtcap.rrs_sv:+}")
    yield "RootCtl: " + r.flags(
        "rtctl", "ErrCorrectable=secee ErrNon-Fatal=senfee ErrFatal=sefee PMEIntEna=pmeie CRSVisible=rrs_sve"
    )
    yield say(r, "RootSta: PME ReqID {rtsta.pme_rq_id}, PMEStatus{rtsta.pme:+} PMEPending{rtsta.pending:+}")


def device2(r: Reader, kind: int) -> Iterator[str]:
    port = kind in (ROOT, DOWNSTREAM)
    completer = kind == ROOT or "32bit" in r.theirs  # by the function's memory BARs
    yield say(r, "DevCap2: Completion Timeout: {devcap2.comp_timeout}, TimeoutDis{devcap2.comp_tmout_dis:+}")
    yield say(r, "NROPrPrP{devcap2.no_ro_prpr:+} LTR{devcap2.ltr:+}")
    yield say(r, "10BitTagComp{devcap2.tag10_comp:+} 10BitTagReq{devcap2.tag10_req:+} OBFF {devcap2.obff},")
    yield say(r, "ExtFmt{devcap2.ext_fmt:+} EETLPPrefix{devcap2.ee_prefix:+}")
    if r["devcap2.ee_prefix"]:
        yield say(r, ", MaxEETLPPrefixes {devcap2.ee_prefix_max}")
    yield say(r, "EmergencyPowerReduction {devcap2.emer_pwr_red},")
    yield say(r, "EmergencyPowerReductionInit{devcap2.emer_pwr_red_init:+} FRS{devcap2.frs:+}")
    if kind == ROOT:
        yield say(r, "LN System CLS {devcap2.ln_sys_cls},")
    if kind in (ROOT, ENDPOINT) and r["devcap2.tph_comp"] != 2:
        yield r.shown("devcap2.tph_comp")
    if port:
        yield say(r, "ARIFwd{devcap2.ari:+}")
    if port or kind == UPSTREAM or completer:
        yield "AtomicOpsCap:"
    if port or kind == UPSTREAM:
        yield say(r, "Routing{devcap2.atomic_route:+}")
    if completer:
        yield r.flags("devcap2", "32bit=atomic_comp32 64bit=atomic_comp64 128bitCAS=atomic_comp128")
    yield say(r, "DevCtl2: Completion Timeout: {devctl2.comp_timeout}, TimeoutDis{devctl2.comp_tmout_dis:+}")
    if port:
        yield say(r, "ARIFwd{devctl2.ari:+}")
    if port or kind in (ENDPOINT, LEGACY, UPSTREAM, RCIEP):
        yield "AtomicOpsCtl:"
    if kind in (ROOT, ENDPOINT, LEGACY, RCIEP):
        yield say(r, "ReqEn{devctl2.atomic_req:+}")
    if port or kind == UPSTREAM:
        yield say(r, "EgressBlck{devctl2.atomic_egress_block:+}")
    yield r.flags("devctl2", "IDOReq=ido_req IDOCompl=ido_cmp LTR=ltr EmergencyPowerReductionReq=emer_pwr_red")
    yield say(r, "10BitTagReq{devctl2.tag10_req:+} OBFF {devctl2.obff}, EETLPPrefixBlk{devctl2.ee_prefix_block:+}")


def link2(r: Reader, kind: int) -> Iterator[str]:
    if r["lnkcap2"]:
        yield say(r, "LnkCap2: Supported Link Speeds: {lnkcap2.speeds}, Crosslink{lnkcap2.crosslink:+}")
        yield r.flags("lnkcap2", "Retimer=retimer 2Retimers=two_retimers DRS=drs")
    yield say(r, "LnkCtl2: Target Link Speed: {lnkctl2.speed}, EnterCompliance{lnkctl2.enter_comp:+}")
    yield say(r, "SpeedDis{lnkctl2.hasd:+}")
    if kind == DOWNSTREAM:
        yield say(r, ", Selectable De-emphasis: {lnkctl2.deemphasis}")
    yield say(r, "Transmit Margin: {lnkctl2.tx_margin}, EnterModifiedCompliance{lnkctl2.enter_mod_comp:+}")
    yield say(r, "ComplianceSOS{lnkctl2.comp_sos:+} Compliance Preset/De-emphasis: {lnkctl2.comp_preset}")
    yield say(r, "LnkSta2: Current De-emphasis Level: {lnksta2.deemphasis},")
    yield r.flags("lnksta2", "EqualizationComplete=eq_complete EqualizationPhase1=eq_phase1")
    yield r.flags(
        "lnksta2", "EqualizationPhase2=eq_phase2 EqualizationPhase3=eq_phase3 LinkEqualizationRequest=eq_request"
    )
    yield say(r, "Retimer{lnksta2.retimer:+} 2Retimers{lnksta2.two_retimers:+} CrosslinkRes: {lnksta2.crosslink},")
    yield say(r, "FltMode{lnksta2.flit:+}")
    if r["lnkcap2.drs"] and kind in (ROOT, DOWNSTREAM, TO_PCIE):
        yield say(r, ", DRS{lnksta2.drs_received:+} DownstreamComp: {lnksta2.downstream_comp}")


def pcie(r: Reader) -> Iterator[str]:
    kind = r["flags.type"]
    places = {place.name for place in r.view.places()}
    yield say(r, "Express (v{flags.version}) {flags.type}")
    if kind in (ROOT, DOWNSTREAM, TO_PCIE):
        yield say(r, "(Slot{flags.slot:+})")
    yield say(r, ", IntMsgNum {flags.irq}") + ", FLIT Mode Supported" * r["flags.flit"]
    yield from device(r, kind)
    if "lnkcap" in places:
        yield from link(r, kind)
    if "sltcap" in places:
        yield from slot(r)
    if "rtctl" in places:
        yield from root(r)
    if "devcap2" in places:
        yield from device2(r, kind)
    if "lnkcap2" in places:
        yield from link2(r, kind)
