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
                Table Length : 000001A0    // 416 bytes
                    Revision : 03
                    Checksum : 81    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

              Table Revision : 00000001
                    Reserved : 0000000000000000

               Subtable Type : 03 [GICC Affinity]
                      Length : 12

            Proximity Domain : 00000000
          Acpi Processor UID : 00000000
       Flags (decoded below) : 00000001
                     Enabled : 1
                Clock Domain : 00000000

               Subtable Type : 03 [GICC Affinity]
                      Length : 12

            Proximity Domain : 00000000
          Acpi Processor UID : 00000001
       Flags (decoded below) : 00000001
                     Enabled : 1
                Clock Domain : 00000000

               Subtable Type : 03 [GICC Affinity]
                      Length : 12

            Proximity Domain : 00000000
          Acpi Processor UID : 00000002
       Flags (decoded below) : 00000001
                     Enabled : 1
                Clock Domain : 00000000

               Subtable Type : 03 [GICC Affinity]
                      Length : 12

            Proximity Domain : 00000000
          Acpi Processor UID : 00000003
       Flags (decoded below) : 00000001
                     Enabled : 1
                Clock Domain : 00000000

               Subtable Type : 01 [Memory Affinity]
                      Length : 28

            Proximity Domain : 00000000
                   Reserved1 : 0000
                Base Address : 0000000040000000
              Address Length : 0000000100000000
                   Reserved2 : 00000000
       Flags (decoded below) : 00000001
                     Enabled : 1
               Hot Pluggable : 0
                Non-Volatile : 0
                   Reserved3 : 0000000000000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000006
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000005
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000004
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000003
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000002
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000008
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000001
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01
            Proximity Domain : 00000007
               Device Handle : 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:02:00.0
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef OLD_IASL
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000
