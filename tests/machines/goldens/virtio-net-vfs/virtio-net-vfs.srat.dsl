/*
 * System Resource Affinity Table (ACPI 6.6 5.2.16)
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D OLD_IASL THIS-FILE     (20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */

                   Signature : "SRAT"    // System Resource Affinity Table
                Table Length : 000000C8    // 200 bytes
                    Revision : 01
                    Checksum : 68    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

              Table Revision : 00000001
                    Reserved : 0000000000000000

               Subtable Type : 00 [Processor Local APIC/SAPIC Affinity]
                      Length : 10

     Proximity Domain Low(8) : 00
                     Apic ID : 00
       Flags (decoded below) : 00000001
                     Enabled : 1
             Local Sapic EID : 00
   Proximity Domain High(24) : 000000
                Clock Domain : 00000000

               Subtable Type : 00 [Processor Local APIC/SAPIC Affinity]
                      Length : 10

     Proximity Domain Low(8) : 00
                     Apic ID : 01
       Flags (decoded below) : 00000001
                     Enabled : 1
             Local Sapic EID : 00
   Proximity Domain High(24) : 000000
                Clock Domain : 00000000

               Subtable Type : 01 [Memory Affinity]
                      Length : 28

            Proximity Domain : 00000000
                   Reserved1 : 0000
                Base Address : 0000000000000000
              Address Length : 00000000000A0000
                   Reserved2 : 00000000
       Flags (decoded below) : 00000001
                     Enabled : 1
               Hot Pluggable : 0
                Non-Volatile : 0
                   Reserved3 : 0000000000000000

               Subtable Type : 01 [Memory Affinity]
                      Length : 28

            Proximity Domain : 00000000
                   Reserved1 : 0000
                Base Address : 0000000000100000
              Address Length : 000000007FF00000
                   Reserved2 : 00000000
       Flags (decoded below) : 00000001
                     Enabled : 1
               Hot Pluggable : 0
                Non-Volatile : 0
                   Reserved3 : 0000000000000000

               Subtable Type : 01 [Memory Affinity]
                      Length : 28

            Proximity Domain : 00000000
                   Reserved1 : 0000
                Base Address : 0000000000000000
              Address Length : 0000000000000000
                   Reserved2 : 00000000
       Flags (decoded below) : 00000000
                     Enabled : 0
               Hot Pluggable : 0
                Non-Volatile : 0
                   Reserved3 : 0000000000000000
