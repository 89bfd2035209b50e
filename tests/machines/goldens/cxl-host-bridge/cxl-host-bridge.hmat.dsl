/*
 * Heterogeneous Memory Attributes Table (ACPI 6.6 5.2.29)
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D OLD_IASL THIS-FILE     (20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */

                   Signature : "HMAT"    // Heterogeneous Memory Attributes Table
                Table Length : 000000B0    // 176 bytes
                    Revision : 02
                    Checksum : 80    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

                    Reserved : 00000000

              Structure Type : 0000 [Memory Proximity Domain Attributes]
                    Reserved : 0000
                      Length : 00000028

       Flags (decoded below) : 0001
Processor Proximity Domain Valid : 1
                   Reserved1 : 0000
Attached Initiator Proximity Domain : 00000000
     Memory Proximity Domain : 00000000
                   Reserved2 : 00000000
                   Reserved3 : 0000000000000000
                   Reserved4 : 0000000000000000

              Structure Type : 0001 [System Locality Latency and Bandwidth Information]
                    Reserved : 0000
                      Length : 00000030

       Flags (decoded below) : 00
            Memory Hierarchy : 0
#ifndef OLD_IASL
   Use Minimum Transfer Size : 0
#endif
#ifndef OLD_IASL
    Non-sequential Transfers : 0
#endif
                   Data Type : 00
#ifndef OLD_IASL
       Minimum Transfer Size : 00
                   Reserved1 : 00
#else
                   Reserved1 : 0000
#endif
Initiator Proximity Domains # : 00000001
  Target Proximity Domains # : 00000002
                   Reserved2 : 00000000
             Entry Base Unit : 0000000000002710
Initiator Proximity Domain List : 00000000
Target Proximity Domain List : 00000000
Target Proximity Domain List : 00000001
                       Entry : 000A
                       Entry : 0019

              Structure Type : 0001 [System Locality Latency and Bandwidth Information]
                    Reserved : 0000
                      Length : 00000030

       Flags (decoded below) : 00
            Memory Hierarchy : 0
#ifndef OLD_IASL
   Use Minimum Transfer Size : 0
#endif
#ifndef OLD_IASL
    Non-sequential Transfers : 0
#endif
                   Data Type : 03
#ifndef OLD_IASL
       Minimum Transfer Size : 00
                   Reserved1 : 00
#else
                   Reserved1 : 0000
#endif
Initiator Proximity Domains # : 00000001
  Target Proximity Domains # : 00000002
                   Reserved2 : 00000000
             Entry Base Unit : 0000000000000800
Initiator Proximity Domain List : 00000000
Target Proximity Domain List : 00000000
Target Proximity Domain List : 00000001
                       Entry : 0032
                       Entry : 000F
