/*
 * The memory and the proximity domains of GPUs, for their driver.
 *
 *     iasl -z THIS-FILE
 */
DefinitionBlock ("", "SSDT", 2, "VPCI", "VPCIGPUS", 1)
{
    External (\_SB.PC01, DeviceObj)

    Scope (\_SB.PC01)
    {
        Device (S00)
        {
            Name (_ADR, 0x00000000)
            Device (GPU0)
            {
                Name (_ADR, 0x00000000)
                Name (_PXM, 1)
                Name (_DSD, Package ()
                {
                    ToUUID ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301"),
                    Package ()
                    {
                        Package () { "nvidia,gpu-mem-base-pa", 0x8000000000 },
                        Package () { "nvidia,gpu-mem-size", 0x17a0000000 },
                        Package () { "nvidia,gpu-mem-pxm-start", 0x1 },
                        Package () { "nvidia,gpu-mem-pxm-count", 0x8 },
                    }
                })
            }
        }
    }
}
