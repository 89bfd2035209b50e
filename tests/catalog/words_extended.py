"""lspci's whole text for each extended capability that it decodes, written from the catalogue's fields.

Where lspci itself reads a wrong bit, a comment says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from .reader import Reader

UNCOR = (
    "DLP=dlp SDES=surprise_down TLP=poisoned_tlp FCP=fcp CmpltTO=comp_time CmpltAbrt=comp_abort UnxCmplt=unx_comp "
    "RxOF=rx_over MalfTLP=malf_tlp ECRC=ecrc UnsupReq=unsup ACSViol=acs UncorrIntErr=internal BlockedTLP=mc_blocked "
    "AtomicOpBlocked=atomic_blocked TLPBlockedErr=tlp_prefix_blocked PoisonTLPBlocked=poison_blocked "
    "DMWrReqBlocked=dmwr_blocked IDECheck=ide_check MisIDETLP=misrouted_ide PCRC_CHECK=pcrc_check "
    "TLPXlatBlocked=xlat_blocked"
)
COR = (
    "RxErr=rcvr BadTLP=bad_tlp BadDLLP=bad_dllp Rollover=rep_roll Timeout=rep_timer AdvNonFatalErr=adv_nfat "
    "CorrIntErr=internal HeaderOF=log_over"
)


def aer(r: Reader) -> Iterator[str]:
    yield "Advanced Error Reporting"
    for word, register, flags in (
        ("UESta:", "uncor_status", UNCOR), ("UEMsk:", "uncor_mask", UNCOR), ("UESvrt:", "uncor_severity", UNCOR),
        ("CESta:", "cor_status", COR), ("CEMsk:", "cor_mask", COR),
    ):  # fmt: skip
        yield f"{word} {r.flags(register, flags)}"
    yield f"AERCap: First Error Pointer: {r['cap.first_error']:02x},"
    yield r.flags("cap", "ECRCGenCap=ecrc_gen_cap ECRCGenEn=ecrc_gen_enable ECRCChkCap=ecrc_check_cap")
    yield r.flags("cap", "ECRCChkEn=ecrc_check_enable MultHdrRecCap=multi_header_cap MultHdrRecEn=multi_header_enable")
    yield r.flags("cap", "TLPPfxPres=prefix_log_present HdrLogCap=comp_time_log")
    log = r["header_log"]
    yield "HeaderLog: " + " ".join(f"{log >> 32 * i & 0xFFFFFFFF:08x}" for i in range(4))
    if "RootCmd" in r.theirs:  # by the port type in the PCI Express capability
        yield "RootCmd: " + r.flags("root_command", "CERptEn=cor_enable NFERptEn=nonfatal_enable FERptEn=fatal_enable")
        yield "RootSta: " + r.flags("root_status", "CERcvd=cor_received MultCERcvd=multi_cor_received")
        yield r.flags("root_status", "UERcvd=uncor_received MultUERcvd=multi_uncor_received FirstFatal=first_fatal")
        yield r.flags("root_status", "NonFatalMsg=nonfatal_received FatalMsg=fatal_received")
        yield f"IntMsgNum {r['root_status.irq']}"
        yield f"ErrorSrc: ERR_COR: {r.shown('cor_source')} ERR_FATAL/NONFATAL: {r.shown('source')}"


def more(register: int, first: int) -> str:
    """Arbitration bits without a name, which lspci shows when they are set."""
    return "".join(f" ??{bit}+" for bit in range(first, 8) if register >> bit & 1)


def vc(r: Reader) -> Iterator[str]:
    yield f"Virtual Channel Caps: LPEVC={r['cap1.lpevcc']} RefClk={r.named('cap1.ref_clock')}"
    yield f"PATEntryBits={r.shown('cap1.arb_size')}"
    yield "Arb: " + r.flags("cap2", "Fixed=fixed WRR32=phase32 WRR64=phase64 WRR128=phase128") + more(r["cap2"], 4)
    yield f"Ctrl: ArbSelect={r.named('ctrl.arb_select')} Status: {r.flags('status', 'InProgress=table')}"
    if r["cap2.arb_offset"]:
        yield f"Port Arbitration Table [{r.offset + r.view.locate('vc_arb').offset:x}] <?>"
    for i in range(r["cap1.evcc"] + 1):
        cap, ctrl = f"res_cap{i}", f"res_ctrl{i}"
        yield f"VC{i}: Caps: PATOffset={r[f'{cap}.arb_offset']:02x} MaxTimeSlots={r.shown(f'{cap}.max_time_slots')}"
        yield r.flags(cap, "RejSnoopTrans=reject_snoop")
        yield "Arb: " + r.flags(cap, "Fixed=fixed WRR32=phase32 WRR64=phase64 WRR128=phase128 TWRR128=phase128_tb")
        yield r.flags(cap, "WRR256=phase256") + more(r[cap], 6)
        yield f"Ctrl: {r.flags(ctrl, 'Enable=enable')} ID={r[f'{ctrl}.id']} ArbSelect={r.named(f'{ctrl}.arb_select')}"
        yield f"TC/VC={r.shown(f'{ctrl}.tc_map')}"
        yield "Status: " + r.flags(f"res_status{i}", "NegoPending=negotiation_pending InProgress=table")
        if r[f"{cap}.arb_offset"]:
            yield "Port Arbitration Table <?>"


def dsn(r: Reader) -> Iterator[str]:
    digits = r.shown("upper") + r.shown("lower")
    yield "Device Serial Number " + "-".join(digits[i : i + 2] for i in range(0, 16, 2))


def rcld(r: Reader) -> Iterator[str]:
    yield f"Root Complex Link Desc: PortNumber={r.shown('self.port')} ComponentID={r.shown('self.component')}"
    kind = r["self"] & 0xFF  # lspci takes four reserved bits for a part of the type
    yield "EltType=" + (f"??{kind}" if kind > 15 else r.named("self.type"))
    for i in range(r["self.entries"]):
        link, address = f"link{i}", r[f"address{i}"]
        yield f"Link{i}: Desc: TargetPort={r.shown(f'{link}.port')} TargetComponent={r.shown(f'{link}.component')}"
        yield f"{r.flags(link, 'AssocRCRB=rcrb')} LinkType={r.shown(f'{link}.type')} {r.flags(link, 'LinkValid=valid')}"
        if r[f"{link}.type"]:
            bus = address >> 20 & (1 << (address & 7 or 8)) - 1
            yield f"Addr: {bus:02x}:{address >> 15 & 31:02x}.{address >> 12 & 7} CfgSpace={r.shown(f'address{i}')}"
        else:
            yield f"Addr: {r.shown(f'address{i}')}"


def rcec(r: Reader) -> Iterator[str]:
    devices = [i for i in range(32) if r["bitmap"] >> i & 1]
    runs: list[list[int]] = []
    for device in devices:
        if runs and runs[-1][-1] == device - 1:
            runs[-1].append(device)
        else:
            runs.append([device])
    text = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    yield "Root Complex Event Collector Endpoint Association RCiEPBitmap:"
    yield f"RCiEP at Device(s): {text}" if runs else "00000000 [none]"
    if r["header.version"] >= 2:
        buses = f"{r.shown('busn.next')}-{r.shown('busn.last')}"
        yield f"AssociatedBusNumbers: {buses}{' [none]' if buses == 'ff-00' else ''}"


def vsec(r: Reader) -> Iterator[str]:
    yield f"Vendor Specific Information: ID={r.shown('vsec.id')} Rev={r.shown('vsec.rev')}"
    yield f"Len={r.shown('vsec.length')} <?>"


def acs(r: Reader) -> Iterator[str]:
    words = "SrcValid=source_validation{0} TransBlk=translation_blocking{0} ReqRedir=request_redirect{0} "
    words += "CmpltRedir=completion_redirect{0} UpstreamFwd=upstream_forwarding{0} EgressCtrl=egress_control{0} "
    words += "DirectTrans=direct_translated{0}"
    yield "Access Control Services ACSCap: " + r.flags("cap", words.format(""))
    yield "ACSCtl: " + r.flags("ctrl", words.format("_enable"))


def ari(r: Reader) -> Iterator[str]:
    yield "Alternative Routing-ID Interpretation (ARI) ARICap: " + r.flags("cap", "MFVC=mfvc ACS=acs") + ","
    yield f"Next Function: {r.shown('cap.next_function')}"
    yield f"ARICtl: {r.flags('ctrl', 'MFVC=mfvc_enable ACS=acs_enable')}, Function Group: {r['ctrl.function_group']}"


def ats(r: Reader) -> Iterator[str]:
    yield f"Address Translation Service (ATS) ATSCap: Invalidate Queue Depth: {r['cap.queue_depth']:02x}"
    yield f"ATSCtl: {r.flags('ctrl', 'Enable=enable')}, Smallest Translation Unit: {r['ctrl.stu']:02x}"


def sriov(r: Reader) -> Iterator[str]:
    yield "Single Root I/O Virtualization (SR-IOV) IOVCap: " + r.flags("cap", "Migration=migration 10BitTagReq=tag10")
    yield f"IntMsgNum {r['cap.interrupt']} IOVCtl:"
    yield r.flags("ctrl", "Enable=enable Migration=migration_enable Interrupt=interrupt_enable MSE=memory_space")
    yield r.flags("ctrl", "ARIHierarchy=ari_hierarchy 10BitTagReq=tag10_enable")
    yield "IOVSta: " + r.flags("status", "Migration=migration_status")
    yield f"Initial VFs: {r.shown('initial_vfs')}, Total VFs: {r.shown('total_vfs')},"
    yield f"Number of VFs: {r.shown('num_vfs')}, Function Dependency Link: {r.shown('func_link')}"
    yield f"VF offset: {r.shown('vf_offset')}, stride: {r.shown('vf_stride')}, Device ID: {r.shown('vf_device')}"
    yield f"Supported Page Size: {r.shown('sup_page_size')}, System Page Size: {r.shown('page_size')}"
    upper = False
    for i in range(6):
        low, wide = r[f"bar{i}"], r[f"bar{i}"] & 6 == 4
        if upper or low in (0, 0xFFFFFFFF):
            upper = False
            continue
        high = f"{r[f'bar{i + 1}'] if i < 5 else r['migration_state']:08x}" if wide else ""
        kind = f"{'32' if not low & 6 else '64'}-bit, {'' if low & 8 else 'non-'}prefetchable"
        yield f"Region {i}: Memory at {high}{low & ~15:08x} ({kind})"
        upper = wide
    yield f"VF Migration: offset: {r.shown('migration_state.offset')}, BIR: {r['migration_state.bir']:x}"


def mcast(r: Reader) -> Iterator[str]:
    yield f"Multicast McastCap: MaxGroups {r.shown('cap.max_groups')}"
    if ", WindowSz" in r.theirs:  # by the port type in the PCI Express capability
        yield f", WindowSz {r['cap.window_size']} ({r.shown('cap.window_size')})"
    if ", ECRCRegen" in r.theirs:
        yield ", " + r.flags("cap", "ECRCRegen=ecrc_regen")
    yield f"McastCtl: NumGroups {r.shown('ctrl.groups')}, {r.flags('ctrl', 'Enable=enable')}"
    yield f"McastBAR: IndexPos {r.shown('base.index_position')}, BaseAddr {r.shown('base.address')}"
    yield f"McastReceiveVec: {r.shown('receive')} McastBlockAllVec: {r.shown('block_all')}"
    yield f"McastBlockUntransVec: {r.shown('block_untranslated')}"
    if ", WindowSz" not in r.theirs:
        size = r["overlay.size"]
        yield f"McastOverlayBAR: OverlaySize {size} ({f'{1 << size} bytes' if size >= 6 else 'disabled'}),"
        yield f"BaseAddr {r.shown('overlay.address')}"


def pri(r: Reader) -> Iterator[str]:
    yield "Page Request Interface (PRI) PRICtl: " + r.flags("ctrl", "Enable=enable Reset=reset") + " PRISta:"
    yield r.flags("status", "RF=response_failure UPRGI=unexpected_index Stopped=stopped PASID=pasid_required")
    yield f"Page Request Capacity: {r['max_requests']:08x}, Page Request Allocation: {r['allocated']:08x}"


def sizes(bits: int) -> str:
    units = ("MB", "GB", "TB", "PB", "EB")
    return "".join(f" {1 << n % 10}{units[n // 10]}" for n in range(44) if bits >> n & 1)


def rebar(r: Reader) -> Iterator[str]:
    yield ("Physical" if r.view.capability.name == "rebar" else "Virtual") + " Resizable BAR"
    if not 1 <= r["ctrl0.nbars"] <= 6:
        yield f"<error in resizable BAR: num_bars={r['ctrl0.nbars']} is out of specification>"
        return
    for i in range(r["ctrl0.nbars"]):
        supported = r[f"cap{i}.sizes"] | r[f"ctrl{i}.sizes_upper"] << 28
        yield f"BAR {r[f'ctrl{i}.bar']}: current size: {r.shown(f'ctrl{i}.size')}"
        if supported:
            yield f", supported:{sizes(supported)}"


def tph(r: Reader) -> Iterator[str]:
    yield "Transaction Processing Hints"
    yield "Interrupt vector mode supported" if r["cap.interrupt_vector"] else ""
    yield "Device specific mode supported" if r["cap.device_specific"] else ""
    yield "Extended requester support" if r["cap.extended"] else ""
    yield r.shown("cap.table_location")


def ltr(r: Reader) -> Iterator[str]:
    yield f"Latency Tolerance Reporting Max snoop latency: {r.shown('snoop.value')}"
    yield f"Max no snoop latency: {r.shown('nosnoop.value')}"


def secpci(r: Reader) -> Iterator[str]:
    yield "Secondary PCI Express LnkCtl3:"
    yield r.flags("lnkctl3", "LnkEquIntrruptEn=interrupt_enable PerformEqu=perform_equalization")
    lanes = [str(i) for i in range(16) if r["lane_errors"] >> i & 1]  # lspci reads 16 lanes of 32
    yield "LaneErrStat: " + (f"LaneErr at lane: {' '.join(lanes)}" if lanes else "0")


def pasid(r: Reader) -> Iterator[str]:
    width = r["cap.max_width"]
    yield f"Process Address Space ID (PASID) PASIDCap: {r.flags('cap', 'Exec=exec Priv=priv')},"
    yield f"Max PASID Width: {width:02x} PASIDCtl:"
    yield r.flags("ctrl", "Enable=enable Exec=exec_enable Priv=priv_enable")


def dpc(r: Reader) -> Iterator[str]:
    yield f"Downstream Port Containment DpcCap: IntMsgNum {r['cap.irq']},"
    yield r.flags("cap", "RPExt=rp_ext PoisonedTLP=poisoned_tlp SwTrigger=sw_trigger")
    yield f"RP PIO Log {r['cap.log_size']}, {r.flags('cap', 'DL_ActiveErr=dl_active')}"
    yield f"DpcCtl: Trigger:{r['ctrl.trigger_enable']}"
    yield r.flags("ctrl", "Cmpl=completion INT=interrupt_enable ErrCor=err_cor_enable PoisonedTLP=poisoned_tlp_enable")
    yield r.flags("ctrl", "SwTrigger=trigger DL_ActiveErr=dl_active_enable")
    yield f"DpcSta: {r.flags('status', 'Trigger=triggered')} Reason:{r['status.reason']:02x}"
    yield f"{r.flags('status', 'INT=interrupt RPBusy=rp_busy')} TriggerExt:{r['status.reason_ext']:02x}"
    yield f"RP PIO ErrPtr:{r['status.first_error']:02x} Source: {r.shown('source')}"


def l1ss(r: Reader) -> Iterator[str]:
    words = "PCI-PM_L1.2=pcipm_l1_2{0} PCI-PM_L1.1=pcipm_l1_1{0} ASPM_L1.2=aspm_l1_2{0} ASPM_L1.1=aspm_l1_1{0}"
    yield "L1 PM Substates L1SubCap: " + r.flags("cap", words.format("") + " L1_PM_Substates=l1_pm_ss")
    l12 = r["cap.pcipm_l1_2"] or r["cap.aspm_l1_2"]
    if l12:
        time = r.shown("cap.power_on_value") if r["cap.power_on_scale"] < 3 else "<error>"
        yield f"PortCommonModeRestoreTime={r.shown('cap.cm_restore_time')} PortTPowerOnTime={time}"
    yield "L1SubCtl1: " + r.flags("ctl1", words.format("_enable"))
    if l12:
        yield f"T_CommonMode={r.shown('ctl1.common_mode_time')}"
        if r["cap.aspm_l1_2"]:
            bad = r["ctl1.threshold_scale"] > 5
            yield f"LTR1.2_Threshold={'<error>' if bad else r.shown('ctl1.threshold_value')}"
    yield "L1SubCtl2:"
    if l12:
        yield f"T_PwrOn={r.shown('ctl2.power_on_value') if r['ctl2.power_on_scale'] < 3 else '<error>'}"


def ptm(r: Reader) -> Iterator[str]:
    yield "Precision Time Measurement PTMCap: " + r.flags("cap", "Requester=requester Responder=responder Root=root")
    yield f"PTMClockGranularity: {r.shown('cap.granularity')} PTMControl:"
    yield r.flags("ctrl", "Enabled=enable RootSelected=root_select")
    yield f"PTMEffectiveGranularity: {r.shown('ctrl.effective_granularity')}"


def lmr(r: Reader) -> Iterator[str]:
    yield f"Lane Margining at the Receiver PortCap: Uses {r.flags('port_cap', 'Driver=uses_driver')} PortSta:"
    yield r.flags("port_status", "MargReady=ready MargSoftReady=software_ready")


EQ = "EquComplete=eq_complete EquPhase1=eq_phase1 EquPhase2=eq_phase2 EquPhase3=eq_phase3 LinkEquRequest=eq_request"
PRECODE = "TxPrecodeOn=tx_precoding TxPrecodeReq=tx_precode_request NoEqualizationNeededRecv=no_eq_received"


def pl16(r: Reader) -> Iterator[str]:
    yield "Physical Layer 16.0 GT/s Phy16Sta: " + r.flags("status", EQ)


def pl32(r: Reader) -> Iterator[str]:
    yield "Physical Layer 32.0 GT/s Phy32Cap: " + r.flags("cap", "EqualizationBypass=eq_bypass")
    words = "NoEqualizationNeeded=no_eq ModTsMode0=ts_mode0 ModTsMode1=ts_mode1 ModTsMode2=ts_mode2"
    yield r.flags("cap", words) + " Phy32Ctl:"
    yield r.flags("ctrl", "EqualizationBypassDis=eq_bypass_disable NoEqualizationNeededDis=no_eq_disable")
    yield f"Modified TS Usage Mode: {r.named('ctrl.ts_mode')} Phy32Sta: {r.flags('status', EQ)}"
    yield f"Received Enhanced Link Behavior Control: {r.shown('status.link_behavior')}"
    yield r.flags("status", "ModTsRecv=ts_received " + PRECODE)


def pl64(r: Reader) -> Iterator[str]:
    yield f"Physical Layer 64.0 GT/s Phy64Sta: {r.flags('status', EQ)} {r.flags('status', PRECODE)}"


def doe(r: Reader) -> Iterator[str]:
    yield "Data Object Exchange DOECap: " + r.flags("cap", "IntSup=interrupt")
    yield f"IntMsgNum {r.shown('cap.irq')}" if r["cap.interrupt"] else ""
    yield f"DOECtl: {r.flags('ctrl', 'IntEn=interrupt_enable')} DOESta:"
    yield r.flags("status", "Busy=busy IntSta=interrupt_status Error=error ObjectReady=ready")


def dev3(r: Reader) -> Iterator[str]:
    def flag(path: str, word: str) -> str:
        return f"{word}{'-+'[r[path]]}"

    yield flag("cap.dmwr_routing", "Device 3 DevCap3: DMWr Request Routing") + ","
    yield flag("cap.tag14_completer", "14-Bit Tag Completer") + ","
    yield flag("cap.tag14_requester", "14-Bit Tag Requester") + " " + flag("cap.l0p", "L0p")
    if r["cap.l0p"]:
        yield f", Port L0p Exit Latency: {r.shown('cap.port_l0p_exit')},"
        yield f"Retimer L0p Exit Latency: {r.shown('cap.retimer_l0p_exit')}"
    yield flag("cap.uio_completer", "UIO Mem RdWr Completer") + ","
    yield flag("cap.uio_requester", "UIO Mem RdWr Requester") + " DevCtl3:"
    yield flag("ctrl.dmwr_enable", "DMWr Requester") + ", " + flag("ctrl.dmwr_egress_blocking", "DMWr Egress Blocking")
    yield ", " + flag("ctrl.tag14_enable", "14-Bit Tag Requester") + " " + flag("ctrl.l0p_enable", "L0p") + ","
    yield f"Target Link Width: {r.named('ctrl.target_width', 'Unknown ({})')}"
    yield flag("ctrl.uio_enable", "UIO Mem RdWr Requester") + ","
    yield f"UIO Request 256B Boundary{'+-'[r['ctrl.uio_256b_disable']]}"
    yield f"DevSta3: Initial Link Width: {r.named('status.initial_width', 'Unknown ({})')},"
    yield flag("status.segment_captured", "Segment Captured") + ", " + flag("status.remote_l0p", "Remote L0p")


def stream(r: Reader, register: str, pcrc: str) -> Iterator[str]:
    modes = (r[f"{register}.aggregation_{kind}"] for kind in ("npr", "pr", "cpl"))
    npr, pr, cpl = (("-", "=2", "=4", "=8")[mode] for mode in modes)
    yield f"{r.flags(register, 'En=enable XT=xt')} NPR{npr} PR{pr} CPL{cpl} {r.flags(register, f'PCRC={pcrc}')}"
    yield r.flags(register, "CFG=cfg") if register.startswith("sel") else ""
    yield f"HdrEnc={r.named(f'{register}.partial_header')} Alg='{r.named(f'{register}.algorithm', 'reserved')}'"
    yield f"TC{r[f'{register}.tc']}"
    yield r.flags(register, "TeeLim=tee_limited") if register.startswith("sel") else ""
    yield f"ID{r.shown(f'{register}.id')}"


def state(r: Reader, register: str) -> str:
    return "reserved" if r[f"{register}.state"] == 1 else r.named(f"{register}.state")


def ide(r: Reader) -> Iterator[str]:
    def at(name: str) -> str:
        return f"[{r.offset + r.view.locate(name).offset:x}]"

    links, streams = r["cap.link"] * (r["cap.link_tcs"] + 1), r["cap.selective"] * (r["cap.streams"] + 1)
    yield f"Integrity & Data Encryption IDECap: Lnk={links} Sel={streams}"
    yield r.flags("cap", "FlowThru=flow_through PartHdr=partial_header Aggr=aggregation PCPC=pcrc IDE_KM=ide_km")
    yield f"{r.flags('cap', 'SelCfg=selective_cfg')} Alg='{r.named('cap.algorithm', 'reserved')}'"
    yield f"TCs={r.shown('cap.link_tcs')}"
    yield f"{r.flags('cap', 'TeeLim=tee_limited XT=xt')} IDECtl: {r.flags('ctrl', 'FTEn=flow_through_enable')}"
    for i in range(links):
        # lspci 3.15 shows Enable in place of PCRC
        yield f"{at(f'link_ctrl{i}')}LinkIDE#{i} Ctl: " + " ".join(filter(None, stream(r, f"link_ctrl{i}", "enable")))
        yield f"{at(f'link_status{i}')}LinkIDE#{i} Sta: Status={state(r, f'link_status{i}')}"
        yield r.flags(f"link_status{i}", "RecvChkFail=check_failed")
    for i in range(streams):
        count, base, ctrl = r[f"sel_cap{i}.associations"], f"sel_rid_base{i}", f"sel_ctrl{i}"
        yield f"{at(f'sel_cap{i}')}SelectiveIDE#{i} Cap: RID#={count}"
        yield f"{at(ctrl)}SelectiveIDE#{i} Ctl: " + " ".join(filter(None, stream(r, ctrl, "pcrc")))
        yield "Default" if r[f"{ctrl}.default"] else ""
        yield f"{at(f'sel_status{i}')}SelectiveIDE#{i} Sta: {state(r, f'sel_status{i}')}"
        yield r.flags(f"sel_status{i}", "RecvChkFail=check_failed")
        yield f"{at(f'sel_rid_limit{i}')}SelectiveIDE#{i} RID: {r.flags(base, 'Valid=valid')}"
        yield f"Base={r.shown(f'{base}.base')} Limit={r.shown(f'sel_rid_limit{i}.limit')}"
        yield f"SegBase={r.shown(f'{base}.segment')}"
        for j in range(count):
            low = f"sel_addr{i}_{j}"
            yield f"{at(low)}SelectiveIDE#{i} RID#{j}: {r.flags(low, 'Valid=valid')}"
            yield f"Base={r[f'sel_addr_base{i}_{j}'] << 32 | r[f'{low}.base'] << 20:x}"
            yield f"Limit={r[f'sel_addr_limit{i}_{j}'] << 32 | r[f'{low}.limit'] << 20 | 0xFFFFF:x}"
