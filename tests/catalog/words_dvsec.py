"""lspci's whole text for a DVSEC, those of the CXL Consortium decoded, written from the catalogue's fields.

Where lspci itself reads a wrong bit, a comment says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .reader import Reader


def cxl_device(r: Reader) -> Iterator[str]:
    yield "PCIe DVSEC for CXL Devices"
    if r["hdr1.revision"] == 0 or r["hdr1.length"] < 0x38:
        return
    yield "CXLCap: " + r.flags("cxl_cap", "Cache=cache IO=io Mem=mem MemHWInit=mem_hwinit")
    yield f"HDMCount {r['cxl_cap.hdm_count']} {r.flags('cxl_cap', 'Viral=viral')}"
    yield "CXLCtl: " + r.flags("cxl_ctrl", "Cache=cache_enable IO=io_enable Mem=mem_enable")
    yield f"CacheSFCov {r.shown('cxl_ctrl.sf_coverage')} CacheSFGran {r.shown('cxl_ctrl.sf_granularity')}"
    yield r.flags("cxl_ctrl", "CacheClean=clean_eviction Viral=viral_enable")
    yield "CXLSta: " + r.flags("cxl_status", "Viral=viral")
    # lspci 3.15 numbers these bits 1, 2, 3, 4, 5 and uses the numbers as masks
    two = r["cxl_ctrl2"]
    yield "CXLCtl2: " + r.flags("cxl_ctrl2", "DisableCaching=disable_caching InitCacheWB&Inval=initiate_cache_wb")
    yield f"InitRst{'-+'[bool(two & 3)]} RstMemClrEn{'-+'[bool(two & 4)]}"
    if r["hdr1.revision"] >= 2:
        yield f"DesiredVolatileHDMStateAfterHotReset{'-+'[bool(two & 5)]}"
    yield "CXLSta2:"
    yield r.flags("cxl_status2", "ResetComplete=reset_complete ResetError=reset_error PMComplete=pm_init_complete")
    unit, size = r["cxl_cap2.cache_unit"], r["cxl_cap2.cache_size"]
    names = {0: "Cache Size Not Reported", 1: f"Cache Size: {size << 16:08x}", 2: f"Cache Size: {size << 20:08x}"}
    yield "CXLCap2: " + names.get(unit, f"Cache Size: {size} of unknown unit size ({unit})")
    for i in (1, 2):
        base = r[f"range_base_high{i}"] << 32 | r[f"range_base{i}"]
        size = r[f"range_size_high{i}"] << 32 | r[f"range_size{i}.size_low"] << 28
        yield f"Range{i}: {base:016x}-{base + size - 1 & (1 << 64) - 1:016x} [size={size:#x}]"
        yield r.flags(f"range_size{i}", "Valid=info_valid Active=active")
        yield f"Type={r.shown(f'range_size{i}.media_type')} Class={r.shown(f'range_size{i}.memory_class')}"
        yield f"interleave={r.shown(f'range_size{i}.interleave')} timeout={r.shown(f'range_size{i}.active_timeout')}"
    if r["hdr1.revision"] >= 2 and r["hdr1.length"] >= 0x3C:
        yield "CXLCap3: DefaultVolatile HDM State After:"
        yield r.flags("cxl_cap3", "ColdReset=hdm_cold_reset WarmReset=hdm_warm_reset")
        # lspci 3.15 has 3 and 4 for the masks of bits 2 and 3
        yield f"HotReset{'-+'[bool(r['cxl_cap3'] & 3)]} HotResetConfigurability{'-+'[bool(r['cxl_cap3'] & 4)]}"
    yield "<?>" if r["hdr1.length"] > 0x3C else ""


def function_map(r: Reader) -> Iterator[str]:
    yield "Non-CXL Function Map DVSEC"
    for i in range(8):
        yield f"FuncMap {i}: {r[f'function_map{i}'] & 0xFFFF:08x}"  # lspci 3.15 reads 16 bits of 32


def port(r: Reader) -> Iterator[str]:
    yield "CXL Extensions DVSEC for Ports"
    if r["hdr1.length"] < 0x28:
        return
    # lspci 3.15 uses the register's offset, 0x0a, as the mask
    yield f"CXLPortSta: PMComplete{'-+'[bool(r['port_status'] & 0x0A)]} CXLPortCtl:"
    yield r.flags("port_ctrl", "UnmaskSBR=unmask_sbr UnmaskLinkDisable=unmask_link_disable AltMem=alt_memory")
    yield r.flags("port_ctrl", "AltBME=alt_bme ViralEnable=viral_enable")
    yield f"AlternateBus: {r.shown('alt_bus_base')}-{r.shown('alt_bus_limit')}"
    yield f"AlternateBus: {r.shown('alt_memory_base')}-{r.shown('alt_memory_limit')}"


def gpf_port(r: Reader) -> Iterator[str]:
    yield f"GPF DVSEC for CXL Ports GPF Phase 1 Timeout: {r.shown('gpf_phase1.timeout')}"
    yield f"GPF Phase 2 Timeout: {r.shown('gpf_phase2.timeout')}"


def gpf_device(r: Reader) -> Iterator[str]:
    yield f"GPF DVSEC for CXL Devices GPF Phase 2 Duration: {r.shown('gpf_duration.time')}"
    yield f"GPF Phase 2 Power: {r.shown('gpf_power')}"


def flexbus(r: Reader) -> Iterator[str]:
    revision, length = r["hdr1.revision"], r["hdr1.length"]
    yield "PCIe DVSEC for Flex Bus Port"
    if revision < 3 and length != (0x10, 0x14, 0x20)[revision]:
        yield f"<Wrong length for Revision {revision}>"
    words = "Cache=cache{0} IO=io{0} Mem=mem{0}"
    late = " 256BFlit=flit256{0} PBRFlit=pbr{0}" if revision > 1 else ""
    yield "FBCap: " + r.flags("flexbus_cap", (words + " 68BFlit=flit68 MltLogDev=mld" + late).format(""))
    bypass = " SynHdrByp=sync_header_bypass DrftBuf=drift_buffer 68BFlit=flit68{0} MltLogDev=mld{0}"
    retimers = " RCD=disable_rcd Retimer1=retimer1 Retimer2=retimer2"
    yield "FBCtl: " + r.flags("flexbus_ctrl", (words + bypass + retimers + late).format("_enable"))
    yield "FBSta: " + r.flags("flexbus_status", (words + bypass + late).format(""))
    if revision >= 1:
        yield f"FBModTS: Received FB Data: {r.shown('flexbus_ts.data')}"
    if revision >= 2:
        yield f"FBCap2: {r.flags('flexbus_cap2', 'NOPHint=nop_hint')} FBCtl2:"
        yield r.flags("flexbus_ctrl2", "NOPHint=nop_hint_enable")
        yield f"FBSta2: NOPHintInfo: {r['flexbus_status2.nop_hint']:x}"
    yield "<?>" if length > 0x20 else ""


def register_locator(r: Reader) -> Iterator[str]:
    yield "Register Locator DVSEC"
    for i in range(1, (r["hdr1.length"] - 0x0C) // 8 + 1):
        number = r[f"block{i}.id"]
        if number:
            name = r.shown(f"block{i}.id") if number < 5 or number == 255 else "<?>"
            offset = r[f"block_high{i}"] << 32 | r[f"block{i}.offset_low"] << 16
            yield f"Block{i}: BIR: bar{r[f'block{i}.bir']}, ID: {name}, offset: {offset:016x}"


def mld(r: Reader) -> Iterator[str]:
    yield "MLD DVSEC"
    yield f"NumLogDevs: {r.shown('mld_lds')}" if 0 < r["mld_lds"] <= 16 else ""


def test_capability(r: Reader) -> Iterator[str]:
    yield "PCIe DVSEC for Test Capability <?>"


CXL: dict[int, Callable[[Reader], Iterator[str]]] = {
    0: cxl_device,
    2: function_map,
    3: port,
    4: gpf_port,
    5: gpf_device,
    7: flexbus,
    8: register_locator,
    9: mld,
    10: test_capability,
}


def dvsec(r: Reader) -> Iterator[str]:
    yield f"Designated Vendor-Specific: Vendor={r.shown('hdr1.vendor')} ID={r.shown('hdr2.id')}"
    yield f"Rev={r['hdr1.revision']} Len={r.shown('hdr1.length')}"
    if r["hdr1.vendor"] != 0x1E98 or r["hdr1.length"] < 16:
        yield "<?>"
        return
    yield ": CXL"
    decode = CXL.get(r["hdr2.id"])
    yield from decode(r) if decode else [f"Unknown ID {r.shown('hdr2.id')}"]
