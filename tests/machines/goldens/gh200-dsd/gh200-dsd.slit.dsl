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
                Table Length : 0000007D    // 125 bytes
                    Revision : 01
                    Checksum : 08    // the sum of all bytes is 0 modulo 256
                      Oem ID : "BOCHS "
                Oem Table ID : "BXPC    "
                Oem Revision : 00000001
             Asl Compiler ID : "BXPC"
       Asl Compiler Revision : 00000001

                  Localities : 0000000000000009
                Locality   0 : 0A FE FE FE FE FE FE FE FE
                Locality   1 : FE 0A FE FE FE FE FE FE FE
                Locality   2 : FE FE 0A FE FE FE FE FE FE
                Locality   3 : FE FE FE 0A FE FE FE FE FE
                Locality   4 : FE FE FE FE 0A FE FE FE FE
                Locality   5 : FE FE FE FE FE 0A FE FE FE
                Locality   6 : FE FE FE FE FE FE 0A FE FE
                Locality   7 : FE FE FE FE FE FE FE 0A FE
                Locality   8 : FE FE FE FE FE FE FE FE 0A
