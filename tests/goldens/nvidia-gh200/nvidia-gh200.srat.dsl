/*
 * System Resource Affinity Table (ACPI 6.6 5.2.16): the Generic Initiator entries of one PCI function.
 * A machine's table has the entries of its processors and memory besides.
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D NO_ARCHITECTURAL_TRANSACTIONS THIS-FILE     (an old iasl: 20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */

                   Signature : "SRAT"    // System Resource Affinity Table
                Table Length : 00000130    // 304 bytes
                    Revision : 03
                    Checksum : 26    // the sum of all bytes is 0 modulo 256
                      Oem ID : "VPCI  "
                Oem Table ID : "VPCICOMP"
                Oem Revision : 00000001
             Asl Compiler ID : "VPCI"
       Asl Compiler Revision : 00000001

              Table Revision : 00000001    // reserved, must be 1
                    Reserved : 0000000000000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000001    // 1 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000002    // 2 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000003    // 3 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000004    // 4 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000005    // 5 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000006    // 6 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000007    // 7 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000

               Subtable Type : 05 [Generic Initiator Affinity]
                      Length : 20

                   Reserved1 : 00
          Device Handle Type : 01    // PCI
            Proximity Domain : 00000008    // 8 in decimal
               Device Handle : 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00    // 0000:01:00.0: segment, bus, device and function
       Flags (decoded below) : 00000001
                     Enabled : 1
#ifndef NO_ARCHITECTURAL_TRANSACTIONS
  Architectural Transactions : 0
#endif
                   Reserved2 : 00000000
