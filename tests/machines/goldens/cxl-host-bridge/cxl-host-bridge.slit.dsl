/*
 * System Locality Information Table (ACPI 6.6 5.2.17)
 *
 *     iasl -z THIS-FILE
 *     iasl -z -D OLD_IASL THIS-FILE     (20200925, Debian 12)
 *
 * With -z (keep the creator's id) both give the same bytes as the .aml beside this file.
 * Numbers are hexadecimal.
 */

                   Signature : "SLIT"    // System Locality Information Table
                Table Length : 00000030    // 48 bytes
                    Revision : 01
                    Checksum : EA    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

                  Localities : 0000000000000002
                Locality   0 : 0A 14
                Locality   1 : 14 0A
